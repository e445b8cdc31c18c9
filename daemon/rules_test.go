package main

import (
	"encoding/json"
	"errors"
	"io"
	"os/exec"
	"strings"
	"testing"
)

// pkg is what go list says about a package.
type pkg struct {
	ImportPath   string
	Name, Doc    string
	Imports      []string
	TestImports  []string
	XTestImports []string
}

func packages(t *testing.T) (list []pkg) {
	t.Helper()
	cmd := exec.Command("go", "list", "-json=ImportPath,Name,Doc,Imports,TestImports,XTestImports", "lorrent/...")
	cmd.Stderr = t.Output()
	out, err := cmd.Output()
	if err != nil {
		t.Fatalf("go list: %v", err)
	}
	for d := json.NewDecoder(strings.NewReader(string(out))); ; {
		var p pkg
		err := d.Decode(&p)
		if errors.Is(err, io.EOF) {
			return list
		}
		if err != nil {
			t.Fatal(err)
		}
		list = append(list, p)
	}
}

func under(path string, roots ...string) bool {
	for _, r := range roots {
		if path == r || strings.HasPrefix(path, r+"/") {
			return true
		}
	}
	return false
}

// ours are the packages of this module that an importer may use, by the
// longest rule whose name the importer's path begins with.
var ours = map[string][]string{
	"lorrent/ctl":                    {"lorrent/rpc"},
	"lorrent/rpc":                    {},
	"lorrent/rpc/server":             {"lorrent/rpc", "lorrent/daemon/torrent", "lorrent/daemon/torrent/metainfo", "lorrent/daemon/torrent/scope", "lorrent/daemon/event", "lorrent/lora", "lorrent/storage"},
	"lorrent/storage":                {},
	"lorrent/storage/disk":           {},
	"lorrent/daemon/event":           {},
	"lorrent/daemon/torrent":         {"lorrent/daemon/torrent", "lorrent/storage", "lorrent/daemon/event"},
	"lorrent/lora":                   {"lorrent/lora", "lorrent/storage", "lorrent/daemon/event"},
	"lorrent/daemon":                 {"lorrent/daemon", "lorrent/rpc", "lorrent/lora", "lorrent/storage"},
	"lorrent/daemon/torrent/tracker": {"lorrent/daemon/torrent/scope"},
}

func rule(importer string) []string {
	best := ""
	for name := range ours {
		if under(importer, name) && len(name) > len(best) {
			best = name
		}
	}
	return ours[best]
}

// leaves of the engine know nothing of the engine, its store or its events.
var leafMayNot = []string{"lorrent/storage", "lorrent/daemon/event"}

// TestImportRules keeps the architecture: who may know whom.
func TestImportRules(t *testing.T) {
	only := map[string]string{ // third-party package: the one place that may import it
		"go.etcd.io/bbolt":             "lorrent/storage",
		"go.bug.st/serial":             "lorrent/lora/modem",
		"github.com/gorilla/rpc":       "lorrent/rpc/server",
		"github.com/spf13/cobra":       "",
		"github.com/thejerf/suture/v4": "lorrent/daemon",
	}
	for _, p := range packages(t) {
		for _, imp := range p.Imports {
			if place, limited := only[thirdParty(imp, only)]; limited && place != "" && p.ImportPath != place {
				t.Errorf("%s imports %s, which belongs in %s", p.ImportPath, imp, place)
			}
			if !under(imp, "lorrent") {
				continue
			}
			if !under(imp, rule(p.ImportPath)...) {
				t.Errorf("%s may not import %s", p.ImportPath, imp)
			}
			if strings.HasSuffix(imp, "test") {
				t.Errorf("%s imports %s outside its tests", p.ImportPath, imp)
			}
			if isLeaf := under(p.ImportPath, "lorrent/daemon/torrent") && p.ImportPath != "lorrent/daemon/torrent"; isLeaf && (under(imp, leafMayNot...) || imp == "lorrent/daemon/torrent") {
				t.Errorf("leaf %s imports %s", p.ImportPath, imp)
			}
			if p.ImportPath != "lorrent/daemon" && imp == "lorrent/rpc/server" {
				t.Errorf("%s imports %s: only the daemon does", p.ImportPath, imp)
			}
		}
	}
}

func thirdParty(imp string, only map[string]string) string {
	for name := range only {
		if under(imp, name) {
			return name
		}
	}
	return ""
}

// TestPackagesAreDocumented wants a comment on every package.
func TestPackagesAreDocumented(t *testing.T) {
	for _, p := range packages(t) {
		if len(p.Doc) < 20 {
			t.Errorf("package %s has no doc comment", p.ImportPath)
		}
	}
}
