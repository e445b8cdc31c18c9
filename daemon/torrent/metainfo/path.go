package metainfo

import (
	"bytes"
	"errors"
	"slices"
	"strings"
	"unicode"
	"unicode/utf8"
)

const (
	maxComponent = 255        // bytes, NAME_MAX of every common file system
	maxExtension = 32         // bytes, dot included, kept when a name is cut
	maxDepth     = 64         // components of a path, the torrent's name included
	maxPath      = 4096 - 512 // bytes of a whole path: PATH_MAX less room for the download folder
)

// component makes one component of a path safe to create on any common file
// system.
//
// What can only be meant to leave the torrent's folder, or to confuse, is an
// error: "..", ".", nothing at all, a slash, a NUL byte. What happens to honest
// people is rewritten: invalid UTF-8, control characters, the characters that
// turn the direction of text around, and backslashes (a separator elsewhere)
// become "_"; dots and spaces at the end go; the device names of Windows get a
// "_" in front; names longer than 255 bytes are cut, keeping the extension.
func component(raw []byte) (string, error) {
	switch {
	case len(raw) == 0:
		return "", errors.New("is empty")
	case raw[0] == '/':
		return "", errors.New("is absolute")
	case string(raw) == ".":
		return "", errors.New("is the folder itself")
	case string(raw) == "..", bytes.IndexByte(raw, '/') >= 0 && slices.Contains(strings.Split(string(raw), "/"), ".."):
		return "", errors.New("escapes the torrent's folder")
	case bytes.IndexByte(raw, '/') >= 0:
		return "", errors.New("contains a separator")
	case bytes.IndexByte(raw, 0) >= 0:
		return "", errors.New("contains a NUL byte")
	}
	s := strings.ToValidUTF8(string(raw), "_")
	s = strings.Map(func(r rune) rune {
		if r == '\\' || unprintable(r) {
			return '_'
		}
		return r
	}, s)
	s = strings.TrimRight(s, ". ")
	if s == "" { // of nothing but dots and spaces
		s = "_"
	}
	if reserved(s) {
		s = "_" + s
	}
	if len(s) > maxComponent {
		stem, ext := splitExtension(s)
		s = strings.TrimRight(cutRunes(stem, maxComponent-len(ext))+ext, ". ")
	}
	return s, nil
}

// unprintable is true of control characters, of line and paragraph separators
// and of the embeddings, overrides and isolates that can make "exe.txt" of
// "txt.exe" on a screen.
func unprintable(r rune) bool {
	return unicode.IsControl(r) || r == 0x2028 || r == 0x2029 ||
		r >= 0x202a && r <= 0x202e || r >= 0x2066 && r <= 0x2069
}

// reserved reports whether Windows takes a file of this name, with whatever
// extension, for a device.
func reserved(name string) bool {
	base, _, _ := strings.Cut(name, ".")
	base = strings.ToUpper(strings.TrimRight(base, " "))
	switch base {
	case "CON", "PRN", "AUX", "NUL", "CONIN$", "CONOUT$":
		return true
	}
	port, number := strings.CutPrefix(base, "COM")
	if !number {
		port, number = strings.CutPrefix(base, "LPT")
	}
	return number && utf8.RuneCountInString(port) == 1 && strings.ContainsAny(port, "0123456789¹²³")
}

// splitExtension splits a name before its last dot. A dot in front, or one with
// more than 32 bytes or a space behind it, begins no extension.
func splitExtension(name string) (stem, ext string) {
	dot := strings.LastIndexByte(name, '.')
	if dot <= 0 || len(name)-dot > maxExtension || strings.Contains(name[dot:], " ") {
		return name, ""
	}
	return name[:dot], name[dot:]
}

// cutRunes returns at most n bytes from the beginning of s, whole runes only.
func cutRunes(s string, n int) string {
	if len(s) <= n {
		return s
	}
	for n > 0 && !utf8.RuneStart(s[n]) {
		n--
	}
	return s[:n]
}
