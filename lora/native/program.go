package native

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
)

// name is that of the program, installed.
const name = "lorrent-node"

// Program is the path of the node as a program: lorrent-node beside this program
// or on the PATH, or else built by g++ from the sources below the working
// directory, or above it, and kept in the user's cache as long as they do not
// change.
func Program(ctx context.Context) (string, error) {
	if self, err := os.Executable(); err == nil {
		beside := filepath.Join(filepath.Dir(self), name)
		if info, err := os.Stat(beside); err == nil && info.Mode().IsRegular() && info.Mode()&0o111 != 0 {
			return beside, nil
		}
	}
	if path, err := exec.LookPath(name); err == nil {
		return path, nil
	}
	files := sources()
	compiler, err := exec.LookPath("g++")
	if err != nil || len(files) == 0 {
		return "", errNoProgram
	}
	return build(ctx, compiler, files)
}

// sources are the node's files, if this is a copy of the project.
func sources() []string {
	dir, err := os.Getwd()
	for ; err == nil; dir = filepath.Dir(dir) {
		main := filepath.Join(dir, "firmware", "native", "main.cpp")
		core, _ := filepath.Glob(filepath.Join(dir, "firmware", "core", "*.cpp"))
		if _, err := os.Stat(main); err == nil && len(core) > 0 {
			return append(core, main)
		}
		if dir == filepath.Dir(dir) {
			return nil
		}
	}
	return nil
}

// build compiles the files unless that was done before.
func build(ctx context.Context, compiler string, files []string) (string, error) {
	sum, err := digest(files)
	if err != nil {
		return "", fmt.Errorf("build the native node: %w", err)
	}
	cache, err := os.UserCacheDir()
	if err != nil {
		cache = os.TempDir()
	}
	dir := filepath.Join(cache, "lorrent")
	path := filepath.Join(dir, name+"-"+sum)
	if _, err := os.Stat(path); err == nil {
		return path, nil
	}
	if err := os.MkdirAll(dir, 0o700); err != nil {
		return "", fmt.Errorf("build the native node: %w", err)
	}
	made, err := os.CreateTemp(dir, name)
	if err != nil {
		return "", fmt.Errorf("build the native node: %w", err)
	}
	made.Close()
	defer os.Remove(made.Name())
	args := slices.Concat([]string{"-std=c++17", "-O1", "-fno-exceptions", "-fno-rtti", "-o", made.Name()}, files)
	if out, err := exec.CommandContext(ctx, compiler, args...).CombinedOutput(); err != nil {
		return "", fmt.Errorf("build the native node: %w\n%s", err, out)
	}
	if err := os.Rename(made.Name(), path); err != nil {
		return "", fmt.Errorf("build the native node: %w", err)
	}
	return path, nil
}

// digest tells versions of the sources, headers included, apart.
func digest(files []string) (string, error) {
	headers, _ := filepath.Glob(filepath.Join(filepath.Dir(files[0]), "*.hpp"))
	sum := sha256.New()
	for _, file := range append(headers, files...) {
		content, err := os.ReadFile(file)
		if err != nil {
			return "", err
		}
		fmt.Fprintf(sum, "%s %d\n", filepath.Base(file), len(content))
		sum.Write(content)
	}
	return hex.EncodeToString(sum.Sum(nil)[:8]), nil
}
