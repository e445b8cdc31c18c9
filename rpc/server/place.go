package server

import (
	"errors"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"syscall"

	"lorrent/daemon/torrent/metainfo"
	"lorrent/rpc"
	"lorrent/storage/disk"
)

// readPath reads a .torrent on the daemon's machine. Errors never show what
// is in the file, and whatever is not a regular file is not opened: a pipe or
// a device may block, or do something.
func readPath(path string) ([]byte, error) {
	if !filepath.IsAbs(path) || strings.ContainsRune(path, 0) {
		return nil, failure(rpc.CodeInvalid, "path: %q is not absolute", clip(path, 200))
	}
	info, err := os.Stat(path)
	if err != nil {
		return nil, failure(rpc.CodeFetch, "path: %v", err)
	}
	if !info.Mode().IsRegular() {
		return nil, failure(rpc.CodeFetch, "path: %s is no regular file", path)
	}
	// It may have become a pipe since: O_NONBLOCK opens even that at once.
	f, err := os.OpenFile(path, os.O_RDONLY|syscall.O_NONBLOCK, 0)
	if err != nil {
		return nil, failure(rpc.CodeFetch, "path: %v", err)
	}
	defer f.Close()
	if info, err = f.Stat(); err != nil || !info.Mode().IsRegular() {
		return nil, failure(rpc.CodeFetch, "path: %s is no regular file", path)
	}
	data, err := readLimited(f)
	if err != nil {
		return nil, failure(rpc.CodeFetch, "path: %s: %v", path, err)
	}
	return data, nil
}

var errTooLarge = errors.New("it is larger than 32 MiB, which no torrent may be")

// readLimited reads what may be a .torrent.
func readLimited(r io.Reader) ([]byte, error) {
	data, err := io.ReadAll(io.LimitReader(r, metainfo.MaxSize+1))
	if err == nil && len(data) > metainfo.MaxSize {
		err = errTooLarge
	}
	return data, err
}

// checkDir cleans the folder for a torrent. It or its parent must exist: a
// typing error shall not grow a tree of folders. With roots, it must lie in
// one of them after symbolic links are followed. An empty dir stays empty.
func checkDir(dir string, roots []string) (string, error) {
	if dir == "" {
		return "", nil
	}
	if !filepath.IsAbs(dir) || strings.ContainsRune(dir, 0) {
		return "", failure(rpc.CodeInvalid, "dir: %q is not absolute", clip(dir, 200))
	}
	dir = filepath.Clean(dir)
	real, err := filepath.EvalSymlinks(dir)
	if errors.Is(err, fs.ErrNotExist) {
		if real, err = filepath.EvalSymlinks(filepath.Dir(dir)); errors.Is(err, fs.ErrNotExist) {
			return "", failure(rpc.CodeInvalid, "dir: neither %s nor the folder above it exists", dir)
		}
		if _, lerr := os.Lstat(dir); lerr == nil {
			return "", failure(rpc.CodeInvalid, "dir: %s is a symbolic link to nowhere", dir)
		}
		if err == nil && !isDir(real) {
			return "", failure(rpc.CodeInvalid, "dir: %s is no folder", filepath.Dir(dir))
		}
		real = filepath.Join(real, filepath.Base(dir))
	} else if err == nil && !isDir(real) {
		return "", failure(rpc.CodeInvalid, "dir: %s is no folder", dir)
	}
	if err != nil {
		return "", failure(rpc.CodeInvalid, "dir: %v", err)
	}
	if !within(real, roots) {
		return "", failure(rpc.CodeDenied, "dir: %s is outside the folders that clients may use", dir)
	}
	return dir, nil
}

// makeDir makes the folder that checkDir approved where it is missing. Later
// a missing folder is an error of the torrent: its disk may not be mounted.
func makeDir(dir string) (made bool, err error) {
	if dir == "" || isDir(dir) {
		return false, nil
	}
	return true, disk.CreateRoot(dir)
}

func isDir(path string) bool {
	info, err := os.Stat(path)
	return err == nil && info.IsDir()
}

// within says whether path, free of links, is one of roots or below it.
func within(path string, roots []string) bool {
	for _, root := range roots {
		real, err := filepath.EvalSymlinks(root)
		if err != nil {
			continue
		}
		if rel, err := filepath.Rel(real, path); err == nil && filepath.IsLocal(rel) {
			return true
		}
	}
	return len(roots) == 0
}
