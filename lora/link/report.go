package link

import "encoding/binary"

// Answers of status OK. Any other is a Refused.
type (
	HelloAnswer struct {
		Version uint8
		Session uint32
		Board   Board
	}
	PingAnswer  struct{ Time uint32 } // the board's clock, ms
	RadioAnswer struct{ Radio Radio } // in effect
	TxAnswer    struct {
		ID   uint16
		Free uint8 // places left
	}
	CancelAnswer  struct{ ID uint16 }
	StatusAnswer  struct{ State State }
	DisplayAnswer struct{}
	StoreAnswer   struct{ Stored Stored }
	StoredAnswer  struct{ Stored Stored }
	RebootAnswer  struct{}
	// Refused is the answer to a command that was not carried out.
	Refused struct {
		Command Type
		Status  Status
	}
)

// Reports.
type (
	// Started says that the board has started anew: it wants a Hello.
	Started struct{ Board Board }
	// TxDone says that a packet was transmitted.
	TxDone struct {
		ID            uint16
		Begin         uint32 // the board's clock, ms
		AirtimeMicros uint32
		Taken         uint8 // times that the channel was taken
	}
	// TxDropped says that a packet will not be transmitted.
	TxDropped struct {
		ID     uint16
		Reason Reason
	}
	// Rx is a packet heard, of 1 to 255 bytes.
	Rx struct {
		Time       uint32 // of its end: the board's clock, ms
		RSSITenths int16  // 0.1 dBm
		SNRTenths  int16  // 0.1 dB
		Packet     []byte
	}
	// StateReport comes every few seconds.
	StateReport struct{ State State }
	// Log is for people.
	Log struct{ Text string }
)

// Words between a node and the simulated radio.
type (
	AirSet      struct{ Radio Radio }
	AirSend     struct{ Packet []byte }
	AirListen   struct{}
	AirSent     struct{}
	AirListened struct {
		Taken      bool
		RSSITenths int16
	}
	AirHeard struct {
		RSSITenths, SNRTenths int16
		Packet                []byte
	}
	AirSignal struct{ Receiving bool }
)

// Capability is something that not every board has.
type Capability uint16

// Capabilities.
const (
	CanRelay Capability = 1 << iota // without a host
	HasDisplay
	HasBattery
	HasFlash
	CanUpdate
	HasCAD
)

// Board describes a board.
type Board struct {
	Capabilities Capability
	Board        uint8 // see PROTOCOL.md; 3 is Heltec V2
	Chip         uint8
	Firmware     [3]uint8 // major, minor, patch
	Node         uint32   // under which it relays
	MaxPowerDBm  int8
	Places       uint8
	StartReason  uint8
	Time         uint32
}

// State is how a board does.
type State struct {
	Time           uint32
	UsedMillis     uint32 // on the air in the past hour
	AllowedMillis  uint32 // of an hour
	Load           uint16 // of the channel, by anyone, 1/10000
	NoiseTenths    int16  // 0.1 dBm; NoNoise: not measured yet
	BatteryMillis  uint16 // volts; 0: none
	BatteryPercent uint8  // 255: not known
	Flags          StateFlags
	Queued         uint8
	BadFrames      uint16
	LostReports    uint16
	Heard, Sent    uint32
	Relayed        uint32
}

// NoNoise is the noise floor of a board that has not measured it.
const NoNoise = -32768

// StateFlags are of a State.
type StateFlags uint8

// Flags.
const (
	Charging    StateFlags = 1
	RadioFailed StateFlags = 2
	RelayedOnce StateFlags = 4 // it was without a host and has relayed
)

// Stored is what is in flash.
type Stored struct {
	Generation uint32 // 0: nothing
	Node       uint32
	Flags      StoreFlags
	Radio      Radio
	Name       string
}

// Reason says why a packet was not transmitted.
type Reason uint8

// Reasons.
const (
	Cancelled   Reason = 1
	Overheard   Reason = 2
	NoBudget    Reason = 3
	RadioBroken Reason = 4
	NeverFree   Reason = 5
	Superseded  Reason = 6 // by a Hello, other settings, or silence of the host
)

func (HelloAnswer) Type() Type   { return TypeHello | Answered }
func (PingAnswer) Type() Type    { return TypePing | Answered }
func (RadioAnswer) Type() Type   { return TypeRadio | Answered }
func (TxAnswer) Type() Type      { return TypeTx | Answered }
func (CancelAnswer) Type() Type  { return TypeCancel | Answered }
func (StatusAnswer) Type() Type  { return TypeStatus | Answered }
func (DisplayAnswer) Type() Type { return TypeDisplay | Answered }
func (StoreAnswer) Type() Type   { return TypeStore | Answered }
func (StoredAnswer) Type() Type  { return TypeStored | Answered }
func (RebootAnswer) Type() Type  { return TypeReboot | Answered }
func (m Refused) Type() Type     { return m.Command | Answered }
func (Started) Type() Type       { return TypeStarted }
func (TxDone) Type() Type        { return TypeTxDone }
func (TxDropped) Type() Type     { return TypeTxDropped }
func (Rx) Type() Type            { return TypeRx }
func (StateReport) Type() Type   { return TypeState }
func (Log) Type() Type           { return TypeLog }
func (AirSet) Type() Type        { return TypeAirSet }
func (AirSend) Type() Type       { return TypeAirSend }
func (AirListen) Type() Type     { return TypeAirListen }
func (AirSent) Type() Type       { return TypeAirSent }
func (AirListened) Type() Type   { return TypeAirListened }
func (AirHeard) Type() Type      { return TypeAirHeard }
func (AirSignal) Type() Type     { return TypeAirSignal }

func (m HelloAnswer) append(b []byte) []byte {
	b = append(b, byte(OK), m.Version)
	return m.Board.append(binary.BigEndian.AppendUint32(b, m.Session))
}
func (m PingAnswer) append(b []byte) []byte {
	return binary.BigEndian.AppendUint32(append(b, byte(OK)), m.Time)
}
func (m RadioAnswer) append(b []byte) []byte { return m.Radio.append(append(b, byte(OK))) }
func (m TxAnswer) append(b []byte) []byte {
	return append(binary.BigEndian.AppendUint16(append(b, byte(OK)), m.ID), m.Free)
}
func (m CancelAnswer) append(b []byte) []byte {
	return binary.BigEndian.AppendUint16(append(b, byte(OK)), m.ID)
}
func (m StatusAnswer) append(b []byte) []byte { return m.State.append(append(b, byte(OK))) }
func (DisplayAnswer) append(b []byte) []byte  { return append(b, byte(OK)) }
func (m StoreAnswer) append(b []byte) []byte  { return m.Stored.append(append(b, byte(OK))) }
func (m StoredAnswer) append(b []byte) []byte { return m.Stored.append(append(b, byte(OK))) }
func (RebootAnswer) append(b []byte) []byte   { return append(b, byte(OK)) }
func (m Refused) append(b []byte) []byte      { return append(b, byte(m.Status)) }
func (m Started) append(b []byte) []byte      { return m.Board.append(b) }
func (m TxDone) append(b []byte) []byte {
	b = binary.BigEndian.AppendUint16(b, m.ID)
	b = binary.BigEndian.AppendUint32(b, m.Begin)
	b = binary.BigEndian.AppendUint32(b, m.AirtimeMicros)
	return append(b, m.Taken)
}
func (m TxDropped) append(b []byte) []byte {
	return append(binary.BigEndian.AppendUint16(b, m.ID), byte(m.Reason))
}
func (m Rx) append(b []byte) []byte {
	b = binary.BigEndian.AppendUint32(b, m.Time)
	return appendHeard(b, m.RSSITenths, m.SNRTenths, m.Packet)
}
func (m StateReport) append(b []byte) []byte { return m.State.append(b) }
func (m Log) append(b []byte) []byte         { return append(b, m.Text...) }
func (m AirSet) append(b []byte) []byte      { return m.Radio.append(b) }
func (m AirSend) append(b []byte) []byte     { return append(b, m.Packet...) }
func (AirListen) append(b []byte) []byte     { return b }
func (AirSent) append(b []byte) []byte       { return b }
func (m AirListened) append(b []byte) []byte {
	return binary.BigEndian.AppendUint16(append(b, flag(m.Taken)), uint16(m.RSSITenths))
}
func (m AirHeard) append(b []byte) []byte {
	return appendHeard(b, m.RSSITenths, m.SNRTenths, m.Packet)
}
func (m AirSignal) append(b []byte) []byte { return append(b, flag(m.Receiving)) }

func appendHeard(b []byte, rssi, snr int16, packet []byte) []byte {
	b = binary.BigEndian.AppendUint16(b, uint16(rssi))
	b = binary.BigEndian.AppendUint16(b, uint16(snr))
	return append(b, packet...)
}

func flag(on bool) byte {
	if on {
		return 1
	}
	return 0
}

func (d Board) append(b []byte) []byte {
	b = binary.BigEndian.AppendUint16(b, uint16(d.Capabilities))
	b = append(b, d.Board, d.Chip, d.Firmware[0], d.Firmware[1], d.Firmware[2])
	b = binary.BigEndian.AppendUint32(b, d.Node)
	b = append(b, byte(d.MaxPowerDBm), d.Places, d.StartReason)
	return binary.BigEndian.AppendUint32(b, d.Time)
}

func (s State) append(b []byte) []byte {
	b = binary.BigEndian.AppendUint32(b, s.Time)
	b = binary.BigEndian.AppendUint32(b, s.UsedMillis)
	b = binary.BigEndian.AppendUint32(b, s.AllowedMillis)
	b = binary.BigEndian.AppendUint16(b, s.Load)
	b = binary.BigEndian.AppendUint16(b, uint16(s.NoiseTenths))
	b = binary.BigEndian.AppendUint16(b, s.BatteryMillis)
	b = append(b, s.BatteryPercent, byte(s.Flags), s.Queued)
	b = binary.BigEndian.AppendUint16(b, s.BadFrames)
	b = binary.BigEndian.AppendUint16(b, s.LostReports)
	b = binary.BigEndian.AppendUint32(b, s.Heard)
	b = binary.BigEndian.AppendUint32(b, s.Sent)
	return binary.BigEndian.AppendUint32(b, s.Relayed)
}

func (s Stored) append(b []byte) []byte {
	b = binary.BigEndian.AppendUint32(b, s.Generation)
	b = binary.BigEndian.AppendUint32(b, s.Node)
	b = append(b, byte(s.Flags))
	return append(s.Radio.append(b), s.Name...)
}
