package interop

import (
	"bytes"
	"os"
	"testing"
)

// flags are what our daemon is told about its connections to peers.
func (e exchange) flags() (flags []string) {
	if e.weRequire {
		flags = append(flags, "--encryption", "require")
	}
	if e.weUTP {
		flags = append(flags, "--utp", "only")
	}
	if e.uploadLimit != "" {
		flags = append(flags, "--upload-limit", e.uploadLimit)
	}
	return flags
}

// checkConnections reads in our log how the peers were connected.
func (e exchange) checkConnections(t *testing.T, ours *lorrent) {
	t.Helper()
	var want []string
	if e.theyRequire || e.weRequire {
		want = append(want, `"encryption":"rc4"`)
	}
	if e.theyUTP || e.weUTP {
		want = append(want, `"transport":"utp"`)
	} else {
		want = append(want, `"transport":"tcp"`)
	}
	log, err := os.ReadFile(ours.process.log)
	if err != nil {
		t.Fatal(err)
	}
	for line := range bytes.Lines(log) {
		for _, w := range want {
			if bytes.Contains(line, []byte(`"message":"peer left"`)) && !bytes.Contains(line, []byte(w)) {
				t.Errorf("a peer was connected without %s: %s", w, line)
			}
		}
	}
}
