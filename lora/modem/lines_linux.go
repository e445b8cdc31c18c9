package modem

import "golang.org/x/sys/unix"

// keepLines clears HUPCL, so that closing the port leaves DTR and RTS alone
// and the board running. On what is no terminal it fails with ENOTTY.
func keepLines(fd int) error {
	settings, err := unix.IoctlGetTermios(fd, unix.TCGETS)
	if err != nil {
		return err
	}
	settings.Cflag &^= unix.HUPCL
	return unix.IoctlSetTermios(fd, unix.TCSETS, settings)
}
