package main

import (
	"bytes"
	"encoding/json"
	"io"
	"strings"
	"testing"
)

const topology = "../lab/testdata/n20_s2.json"

func TestTable(t *testing.T) {
	var out bytes.Buffer
	if err := run([]string{"-policy", "fw28", "-seeds", "1,2", topology}, &out, io.Discard); err != nil {
		t.Fatal(err)
	}
	lines := strings.Split(strings.TrimSpace(out.String()), "\n")
	if len(lines) != 5 || !strings.Contains(lines[0], "tx/msg") || !strings.Contains(lines[1], "n20_s2/1") ||
		!strings.Contains(lines[3], "mean") || !strings.Contains(lines[4], "sd") {
		t.Errorf("printed\n%s", out.String())
	}
}

func TestJSON(t *testing.T) {
	var out bytes.Buffer
	if err := run([]string{"-mode", "direct", "-json", "-duration", "300", topology}, &out, io.Discard); err != nil {
		t.Fatal(err)
	}
	var row map[string]any
	if err := json.Unmarshal(out.Bytes(), &row); err != nil || row["topology"] != "n20_s2" || row["deliv"] == nil || row["all"] != nil {
		t.Errorf("printed %s (%v)", out.String(), err)
	}
}

func TestBadArguments(t *testing.T) {
	for _, args := range [][]string{
		{}, {"-mode", "both", topology}, {"-policy", "best", topology}, {"-preset", "SF7", topology},
		{"-seeds", "x", topology}, {"-period", "0", topology}, {"nowhere.json"},
	} {
		if err := run(args, io.Discard, io.Discard); err == nil {
			t.Errorf("%q is taken", args)
		}
	}
}
