package firmware

import (
	"bufio"
	"encoding/hex"
	"os"
	"strings"
	"testing"

	"lorrent/lora/link"
	"lorrent/lora/modem"
)

// vector is a section of link.txt or vectors.txt.
type vector struct {
	name   string
	fields map[string]string
}

func sections(t *testing.T, path string) (all []vector) {
	t.Helper()
	file, err := os.Open(path)
	if err != nil {
		t.Fatal(err)
	}
	defer file.Close()
	lines := bufio.NewScanner(file)
	lines.Buffer(nil, 1<<20)
	for lines.Scan() {
		line := strings.TrimSpace(lines.Text())
		if strings.HasPrefix(line, "[") {
			all = append(all, vector{strings.Trim(line, "[]"), make(map[string]string)})
		} else if key, value, ok := strings.Cut(line, "="); ok && len(all) > 0 && line[0] != '#' {
			all[len(all)-1].fields[strings.TrimSpace(key)] = strings.TrimSpace(value)
		}
	}
	return all
}

func (v vector) hex(t *testing.T, key string) []byte {
	t.Helper()
	b, err := hex.DecodeString(v.fields[key])
	if err != nil {
		t.Fatalf("%s: %s: %v", v.name, key, err)
	}
	return b
}

// section is one section's fields that are bytes.
func section(t *testing.T, path, name string) map[string][]byte {
	t.Helper()
	for _, v := range sections(t, path) {
		if v.name != name {
			continue
		}
		all := make(map[string][]byte)
		for key, text := range v.fields {
			if b, err := hex.DecodeString(text); err == nil {
				all[key] = b
			}
		}
		return all
	}
	t.Fatalf("%s has no section %s", path, name)
	return nil
}

func radioOf(r link.Radio) modem.Radio {
	return modem.Radio{
		FrequencyHz: r.FrequencyHz, BandwidthHz: r.BandwidthHz, SpreadingFactor: int(r.SpreadingFactor),
		CodingRate: int(r.CodingRate), PreambleSymbols: int(r.PreambleSymbols), SyncWord: r.SyncWord, TxPowerDBm: int(r.TxPowerDBm),
	}
}
