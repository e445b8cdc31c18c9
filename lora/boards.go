package lora

import "lorrent/lora/modem"

// Board is a serial port on USB that may have a radio board.
type Board = modem.Port

// Boards lists the serial ports on USB, without opening any.
func Boards() ([]Board, error) { return modem.Ports() }
