package airtime

// Band is a stretch of spectrum and what the law allows a station in it.
type Band struct {
	Name      string
	LowHz     uint32
	HighHz    uint32
	DutyCycle float64 // fraction of any hour, 1 for no limit
	MaxERPdBm int     // effective radiated power, antenna gain included
}

// EU868P is band P of the European 868 MHz range, 869.4 to 869.65 MHz: 500 mW
// ERP at a duty cycle of 10 % (ERC Recommendation 70-03, annex 1, band P;
// ETSI EN 300 220-2). It has room for one channel of 250 kHz and is the only
// band known here so far.
func EU868P() Band {
	return Band{Name: "EU868 P", LowHz: 869_400_000, HighHz: 869_650_000, DutyCycle: 0.10, MaxERPdBm: 27}
}

// Contains says whether a channel lies within the band with its whole width.
func (b Band) Contains(centreHz, bandwidthHz uint32) bool {
	half := uint64(bandwidthHz+1) / 2
	return uint64(centreHz) >= uint64(b.LowHz)+half && uint64(centreHz)+half <= uint64(b.HighHz)
}
