package firmware

import (
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"sync"
	"testing"

	"go.uber.org/goleak"
)

// built is where the tests put what they build.
var built string

func TestMain(m *testing.M) {
	dir, err := os.MkdirTemp("", "lorrent-firmware-")
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
	built = dir
	code := m.Run()
	os.RemoveAll(dir)
	if code == 0 {
		if err := goleak.Find(); err != nil {
			fmt.Fprintln(os.Stderr, err)
			code = 1
		}
	}
	os.Exit(code)
}

// need skips a test that lacks a program, and fails it where all are wanted.
func need(t testing.TB, programs ...string) {
	t.Helper()
	for _, program := range programs {
		if _, err := exec.LookPath(program); err == nil {
			continue
		}
		if os.Getenv("LORRENT_CI") == "1" {
			t.Fatalf("%s is not installed", program)
		}
		t.Skipf("%s is not installed", program)
	}
}

// strict are the warnings that firmware has to be free of.
var strict = []string{"-std=c++17", "-Wall", "-Wextra", "-Werror", "-fno-exceptions", "-fno-rtti"}

var sanitized = append([]string{"-O1", "-g", "-fsanitize=address,undefined", "-fno-sanitize-recover=all"}, strict...)

// program is built once, by the first test that wants it.
type program struct {
	once sync.Once
	path string
	out  []byte
	err  error
}

func (p *program) build(t testing.TB, name, compiler string, args ...string) string {
	t.Helper()
	need(t, compiler)
	p.once.Do(func() {
		p.path = filepath.Join(built, name)
		p.out, p.err = exec.Command(compiler, append(args, "-o", p.path)...).CombinedOutput()
	})
	if p.err != nil {
		t.Fatalf("build %s: %v\n%s", name, p.err, p.out)
	}
	return p.path
}

func sources(t testing.TB, patterns ...string) (files []string) {
	t.Helper()
	for _, pattern := range patterns {
		found, err := filepath.Glob(pattern)
		if err != nil || len(found) == 0 {
			t.Fatalf("no files %s: %v", pattern, err)
		}
		files = append(files, found...)
	}
	return files
}

var native program

// nativeNode is the path of the node as a Linux process, under ASan and UBSan.
func nativeNode(t testing.TB) string {
	t.Helper()
	return native.build(t, "node", "g++", append(sources(t, "native/main.cpp", "core/*.cpp"), sanitized...)...)
}

var (
	image     program
	imageMem  program
	bareMetal = append([]string{"-Os", "-ffreestanding", "-nostdinc++", "-fno-threadsafe-statics", "-ffunction-sections", "-fdata-sections"}, strict...)
	cortexM3  = []string{"-mcpu=cortex-m3", "-mthumb"}
)

// qemuImage is the path of the node as an image for QEMU's lm3s6965evb.
func qemuImage(t testing.TB) string {
	t.Helper()
	need(t, "qemu-system-arm")
	mem := imageMem.build(t, "mem.o", "arm-none-eabi-gcc", append([]string{
		"-Os", "-Wall", "-Wextra", "-Werror", "-ffreestanding", "-fno-tree-loop-distribute-patterns", "-c", "qemu/mem.c"}, cortexM3...)...)
	args := append(sources(t, "qemu/main.cpp", "core/*.cpp"), mem)
	args = append(append(args, bareMetal...), cortexM3...)
	return image.build(t, "node.elf", "arm-none-eabi-g++", append(args, "-nostdlib", "-Wl,--gc-sections", "-T", "qemu/lm3s.ld", "-lgcc")...)
}
