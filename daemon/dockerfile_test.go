package main

import (
	"debug/elf"
	"encoding/json"
	"os"
	"os/exec"
	"path"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"

	"github.com/pelletier/go-toml/v2"
)

// instruction is one line of the Dockerfile, continuations joined.
type instruction struct {
	stage     int // counts FROM
	name, arg string
}

func readDockerfile() (list []instruction, err error) {
	text, err := os.ReadFile("../Dockerfile")
	if err != nil {
		return nil, err
	}
	stage := 0
	for line := range strings.Lines(strings.ReplaceAll(string(text), "\\\n", " ")) {
		line = strings.TrimSpace(line)
		if line == "" || line[0] == '#' {
			continue
		}
		name, arg, _ := strings.Cut(line, " ")
		if name == "FROM" {
			stage++
		}
		list = append(list, instruction{stage, name, strings.TrimSpace(arg)})
	}
	return list, nil
}

// environment is what the ENV lines of a stage set.
func environment(list []instruction, stage int) (env []string) {
	for _, in := range list {
		if in.stage == stage && in.name == "ENV" {
			env = append(env, strings.Fields(in.arg)...)
		}
	}
	return env
}

// Where release puts the programs. TestMain removes it.
var releaseDir string

var buildRelease = sync.OnceValue(func() error {
	list, err := readDockerfile()
	if err != nil {
		return err
	}
	if releaseDir, err = os.MkdirTemp("", "lorrent-release-"); err != nil {
		return err
	}
	for _, in := range list {
		if in.name != "RUN" || !strings.HasPrefix(in.arg, "go build ") {
			continue
		}
		cmd := exec.Command("/bin/sh", "-c", strings.ReplaceAll(in.arg, "/out/", releaseDir+"/"))
		cmd.Dir = ".."
		cmd.Env = append(os.Environ(), environment(list, in.stage)...)
		cmd.Stdout, cmd.Stderr = os.Stderr, os.Stderr
		if err := cmd.Run(); err != nil {
			return err
		}
	}
	return nil
})

// release is the path of a program as the Dockerfile builds it.
func release(t *testing.T, name string) string {
	t.Helper()
	if err := buildRelease(); err != nil {
		t.Fatalf("build as the Dockerfile does: %v", err)
	}
	return filepath.Join(releaseDir, name)
}

// TestImagePrograms builds what goes into the image, which has no libraries.
func TestImagePrograms(t *testing.T) {
	t.Parallel()
	for _, name := range []string{"lorrentd", "lorrentctl"} {
		f, err := elf.Open(release(t, name))
		if err != nil {
			t.Fatal(err)
		}
		defer f.Close()
		if slices.ContainsFunc(f.Progs, func(p *elf.Prog) bool { return p.Type == elf.PT_INTERP }) {
			t.Errorf("%s is not static: it asks for an interpreter", name)
		}
		if libraries, err := f.ImportedLibraries(); err == nil && len(libraries) > 0 {
			t.Errorf("%s is not static: it needs %s", name, libraries)
		}
	}
	if code, stdout, _ := runToEnd(t, exec.Command(release(t, "lorrentd"), "version")); code != exitOK || !strings.HasPrefix(stdout, "lorrentd "+version) {
		t.Errorf("lorrentd version: exit code %d, %q", code, stdout)
	}
}

// TestImage checks that the parts of the image fit each other.
func TestImage(t *testing.T) {
	t.Parallel()
	list, err := readDockerfile()
	if err != nil {
		t.Fatal(err)
	}
	last := list[len(list)-1].stage
	one := func(name string) string {
		t.Helper()
		var args []string
		for _, in := range list {
			if in.stage == last && in.name == name {
				args = append(args, in.arg)
			}
		}
		if len(args) != 1 {
			t.Fatalf("%d times %s in the last stage", len(args), name)
		}
		return args[0]
	}
	for _, in := range list {
		if in.name == "FROM" && (!strings.Contains(in.arg, ":") || strings.Contains(in.arg, ":latest")) {
			t.Errorf("FROM %s names no version", in.arg)
		}
	}
	if user, _, _ := strings.Cut(one("USER"), ":"); user == "0" || user == "root" {
		t.Error("the image runs as root")
	}
	if got := one("STOPSIGNAL"); got != "SIGTERM" {
		t.Errorf("STOPSIGNAL %s", got)
	}

	// Only the daemon's own variables, as the container has no others of ours.
	env := environment(list, last)
	cmd := exec.Command(release(t, "lorrentd"), "config")
	cmd.Env = env
	code, stdout, stderr := runToEnd(t, cmd)
	if code != exitOK {
		t.Fatalf("lorrentd config: exit code %d: %s", code, stderr)
	}
	var got settings
	if err := toml.Unmarshal([]byte(stdout), &got); err != nil {
		t.Fatal(err)
	}
	var volumes []string
	if err := json.Unmarshal([]byte(one("VOLUME")), &volumes); err != nil {
		t.Fatal(err)
	}
	if !slices.Equal(volumes, []string{got.StateDir, got.DownloadDir}) {
		t.Errorf("the volumes are %q, the daemon uses %s and %s", volumes, got.StateDir, got.DownloadDir)
	}
	_, port, _ := strings.Cut(got.Listen, ":")
	if exposed := one("EXPOSE"); exposed != port+"/tcp "+port+"/udp" {
		t.Errorf("exposed is %s, the daemon listens on %s", exposed, got.Listen)
	}
	if len(got.RPC) != 1 || !strings.HasPrefix(got.RPC[0], "unix:/run/lorrent/") {
		t.Errorf("RPC is on %q", got.RPC)
	}

	// The client finds the socket the daemon makes.
	cmd = exec.Command(release(t, "lorrentctl"), "health")
	cmd.Env = env
	if code, _, stderr := runToEnd(t, cmd); !strings.Contains(stderr, got.RPC[0]) {
		t.Errorf("lorrentctl looks elsewhere: exit code %d: %s", code, stderr)
	}
	_, health, _ := strings.Cut(one("HEALTHCHECK"), "CMD ")
	for name, text := range map[string]string{"lorrentd": one("ENTRYPOINT"), "lorrentctl": health} {
		var words []string
		if err := json.Unmarshal([]byte(text), &words); err != nil {
			t.Fatalf("%s is not in exec form, and there is no shell: %v", text, err)
		}
		if words[0] != "/usr/local/bin/"+name || !copied(list, last, words[0]) {
			t.Errorf("%s is not in the image", words[0])
		}
	}
}

// TestImageContext checks that .dockerignore holds back nothing that the
// programs are built from.
func TestImageContext(t *testing.T) {
	t.Parallel()
	text, err := os.ReadFile("../.dockerignore")
	if err != nil {
		t.Fatal(err)
	}
	ignored := func(file string) bool {
		for pattern := range strings.Lines(string(text)) {
			pattern = strings.TrimSpace(pattern)
			if pattern == "" || pattern[0] == '#' {
				continue
			}
			// A pattern names a file or folder from the top, "**/" any file.
			name, parts := pattern, strings.Split(file, "/")
			if rest, ok := strings.CutPrefix(pattern, "**/"); ok {
				name, parts = rest, parts[len(parts)-1:]
			}
			parts = parts[:min(len(parts), strings.Count(name, "/")+1)]
			if ok, err := path.Match(name, strings.Join(parts, "/")); ok || err != nil {
				return true
			}
		}
		return false
	}
	const format = "{{if .Module}}{{if .Module.Main}}{{$dir := .ImportPath}}{{range .GoFiles}}{{$dir}}/{{.}}\n{{end}}{{range .EmbedFiles}}{{$dir}}/{{.}}\n{{end}}{{end}}{{end}}"
	cmd := exec.Command("go", "list", "-deps", "-f", format, "lorrent/daemon", "lorrent/ctl")
	code, stdout, stderr := runToEnd(t, cmd)
	if code != 0 || !strings.Contains(stdout, "lorrent/rpc/server/openrpc.json") {
		t.Fatalf("go list: exit code %d: %s%s", code, stdout, stderr)
	}
	for _, file := range append(strings.Fields(stdout), "lorrent/go.mod", "lorrent/go.sum") {
		if file = strings.TrimPrefix(file, "lorrent/"); ignored(file) {
			t.Errorf("%s does not get into the build", file)
		}
	}
	if !ignored(".git/config") || !ignored("daemon/config_test.go") || !ignored("firmware/core/x.cpp") {
		t.Error("nothing is held back")
	}
}

// copied reports whether a stage copies a program to the place.
func copied(list []instruction, stage int, place string) bool {
	for _, in := range list {
		words := strings.Fields(in.arg)
		if in.stage != stage || in.name != "COPY" || words[len(words)-1] != path.Dir(place)+"/" {
			continue
		}
		if slices.Contains(words, "/out/"+path.Base(place)) {
			return true
		}
	}
	return false
}
