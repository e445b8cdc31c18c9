package link

import "encoding/binary"

// Message is what is in a frame: a command, an answer, a report, or a word to
// or from the simulated radio.
type Message interface {
	// Type is that of the frame.
	Type() Type
	// append appends the body, an answer's status included.
	append(b []byte) []byte
}

// Append appends a message as a frame to dst.
func Append(dst []byte, m Message, sequence uint8) []byte {
	return AppendFrame(dst, Frame{Type: m.Type(), Sequence: sequence, Body: m.append(nil)})
}

// Commands.
type (
	// Hello begins a session.
	Hello struct {
		Version uint8
		Session uint32
	}
	// Ping asks for the board's clock, and tells it that the host is there.
	Ping struct{}
	// SetRadio sets the radio; AskRadio asks for the settings in effect.
	SetRadio struct{ Radio Radio }
	AskRadio struct{}
	// Tx queues a packet of 1 to 255 bytes. See PROTOCOL.md for its fields.
	Tx struct {
		ID        uint16
		NotBefore uint32 // the board's clock, ms; 0: now
		Slots     uint8
		Copies    uint8
		Key       Key
		Packet    []byte
	}
	// Cancel takes a Tx back.
	Cancel struct{ ID uint16 }
	// AskStatus asks for the State.
	AskStatus struct{}
	// Display shows a text on the board.
	Display struct {
		Kind DisplayKind
		Text []byte // up to MaxText bytes
	}
	// Store puts the settings into flash.
	Store struct {
		Flags StoreFlags
		Name  string // up to MaxName bytes
	}
	// AskStored asks what is there.
	AskStored struct{}
	// Reboot restarts the board.
	Reboot struct{ Mode RebootMode }
)

// Key is the ID of a packet: source, epoch, sequence.
type Key [9]byte

// Limits of texts, in bytes.
const (
	MaxText = 200
	MaxName = 20
	maxLog  = 120
)

// DisplayKind says what a Display shows.
type DisplayKind uint8

// What a board can show. The text of a message is sender, a zero byte,
// message; that of a node its short id, 2 bytes, and its name.
const (
	DisplayState   DisplayKind = 0
	DisplayMessage DisplayKind = 1
	DisplayNode    DisplayKind = 2
)

// StoreFlags are switches kept in flash.
type StoreFlags uint8

// RelayAlone has a board without a host relay.
const RelayAlone StoreFlags = 1

// RebootMode says how a board restarts.
type RebootMode uint8

// How.
const (
	RebootPlain    RebootMode = 0
	RebootToLoader RebootMode = 1 // for a new firmware
	RebootForget   RebootMode = 2 // what is stored
)

// Radio are the settings of the radio, and what it may do.
type Radio struct {
	FrequencyHz     uint32
	BandwidthHz     uint32
	SpreadingFactor uint8
	CodingRate      uint8
	PreambleSymbols uint8
	SyncWord        uint8
	TxPowerDBm      int8
	DutyCycle       uint16 // 1/10000 of any hour; 10000 and above: no limit
	Dwell           uint8  // 10 ms; the longest transmission, 0: no limit
}

func (Hello) Type() Type     { return TypeHello }
func (Ping) Type() Type      { return TypePing }
func (SetRadio) Type() Type  { return TypeRadio }
func (AskRadio) Type() Type  { return TypeRadio }
func (Tx) Type() Type        { return TypeTx }
func (Cancel) Type() Type    { return TypeCancel }
func (AskStatus) Type() Type { return TypeStatus }
func (Display) Type() Type   { return TypeDisplay }
func (Store) Type() Type     { return TypeStore }
func (AskStored) Type() Type { return TypeStored }
func (Reboot) Type() Type    { return TypeReboot }

func (m Hello) append(b []byte) []byte {
	return binary.BigEndian.AppendUint32(append(b, m.Version), m.Session)
}
func (Ping) append(b []byte) []byte       { return b }
func (m SetRadio) append(b []byte) []byte { return m.Radio.append(b) }
func (AskRadio) append(b []byte) []byte   { return b }
func (m Tx) append(b []byte) []byte {
	b = binary.BigEndian.AppendUint16(b, m.ID)
	b = binary.BigEndian.AppendUint32(b, m.NotBefore)
	b = append(b, m.Slots, m.Copies)
	b = append(b, m.Key[:]...)
	return append(b, m.Packet...)
}
func (m Cancel) append(b []byte) []byte  { return binary.BigEndian.AppendUint16(b, m.ID) }
func (AskStatus) append(b []byte) []byte { return b }
func (m Display) append(b []byte) []byte { return append(append(b, byte(m.Kind)), m.Text...) }
func (m Store) append(b []byte) []byte   { return append(append(b, byte(m.Flags)), m.Name...) }
func (AskStored) append(b []byte) []byte { return b }
func (m Reboot) append(b []byte) []byte  { return append(b, byte(m.Mode)) }

func (r Radio) append(b []byte) []byte {
	b = binary.BigEndian.AppendUint32(b, r.FrequencyHz)
	b = binary.BigEndian.AppendUint32(b, r.BandwidthHz)
	b = append(b, r.SpreadingFactor, r.CodingRate, r.PreambleSymbols, r.SyncWord, byte(r.TxPowerDBm))
	b = binary.BigEndian.AppendUint16(b, r.DutyCycle)
	return append(b, r.Dwell)
}
