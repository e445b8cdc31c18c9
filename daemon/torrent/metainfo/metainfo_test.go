package metainfo

import (
	"fmt"
	"reflect"
	"strings"
	"testing"
	"time"

	"github.com/anacrolix/torrent/bencode"
)

// dict is a bencoded dictionary to be: fields change a good one in tests.
type dict = map[string]any

// raw puts bytes that no encoder would write into a dict.
func raw(s string) bencode.Bytes { return bencode.Bytes(s) }

func marshal(t testing.TB, v any) []byte {
	t.Helper()
	b, err := bencode.Marshal(v)
	if err != nil {
		t.Fatal(err)
	}
	return b
}

// with returns base with some fields changed; nil removes one.
func with(base, changes dict) dict {
	d := dict{}
	for k, v := range base {
		d[k] = v
	}
	for k, v := range changes {
		if d[k] = v; v == nil {
			delete(d, k)
		}
	}
	return d
}

// single is an info of one file of 40000 bytes in three pieces.
var single = dict{
	"name": "a.bin", "piece length": 16384, "length": 40000,
	"pieces": strings.Repeat("01234567890123456789", 3),
}

// multi is an info with the given files in one piece.
func multi(files ...any) dict {
	return dict{"name": "t", "piece length": 16384, "pieces": strings.Repeat("x", 20), "files": files}
}

func file(length int, path ...string) dict { return dict{"length": length, "path": path} }

func TestParseFields(t *testing.T) {
	info := raw(string(marshal(t, single)))
	tests := []struct {
		name   string
		fields dict
		want   MetaInfo
	}{
		{"info alone", dict{}, MetaInfo{}},
		{"all fields", dict{
			"announce": "http://unused/", "announce-list": [][]string{{"udp://a:1/x", "http://b/"}, {"https://c/announce?passkey=Ab%20"}},
			"url-list": []string{"http://seed/"}, "comment": "two\nlines", "created by": "x/1", "creation date": 1700000000,
		}, MetaInfo{
			Trackers: [][]string{{"udp://a:1/x", "http://b/"}, {"https://c/announce?passkey=Ab%20"}},
			URLList:  []string{"http://seed/"}, Comment: "two\nlines", CreatedBy: "x/1",
			CreationDate: time.Date(2023, 11, 14, 22, 13, 20, 0, time.UTC),
		}},
		{"announce alone", dict{"announce": "http://a/announce"}, MetaInfo{Trackers: [][]string{{"http://a/announce"}}}},
		{"announce-list is an empty string", dict{"announce": "http://a/", "announce-list": ""}, MetaInfo{Trackers: [][]string{{"http://a/"}}}},
		{"announce-list is an empty list", dict{"announce": "http://a/", "announce-list": raw("le")}, MetaInfo{Trackers: [][]string{{"http://a/"}}}},
		{"announce-list holds nothing usable", dict{"announce": "http://a/", "announce-list": raw("ll0:eli3eedee")}, MetaInfo{Trackers: [][]string{{"http://a/"}}}},
		{"announce-list is flat", dict{"announce-list": []string{"http://a/", "http://b/"}}, MetaInfo{Trackers: [][]string{{"http://a/"}, {"http://b/"}}}},
		{"announce-list with bad entries among good ones", dict{"announce-list": raw("li5el9:http://a/d1:ai1ee9:http://b/ee")}, MetaInfo{Trackers: [][]string{{"http://a/", "http://b/"}}}},
		{"trackers twice", dict{"announce-list": [][]string{{"http://a/", "http://a/"}, {"http://a/"}, {"http://b/", "http://a/"}}}, MetaInfo{Trackers: [][]string{{"http://a/"}, {"http://b/"}}}},
		{"other schemes, no host, too long", dict{"announce-list": [][]string{{"wss://a/", "ftp://a/", "file:///etc/passwd", "http:///x", "//a/", "a", "http://a/\x00", "http://a/" + strings.Repeat("x", 2048), " HTTP://ok/ "}}}, MetaInfo{Trackers: [][]string{{"HTTP://ok/"}}}},
		{"announce is a number", dict{"announce": 7}, MetaInfo{}},
		{"url-list is a string", dict{"url-list": "https://seed/x"}, MetaInfo{URLList: []string{"https://seed/x"}}},
		{"url-list is empty", dict{"url-list": ""}, MetaInfo{}},
		{"url-list is a dictionary", dict{"url-list": raw("d1:ai1ee")}, MetaInfo{}},
		{"url-list is mixed", dict{"url-list": raw("li1e7:http://14:http://seed/a/14:http://seed/a/e")}, MetaInfo{URLList: []string{"http://seed/a/"}}},
		{"creation date is a string", dict{"creation date": "1700000000"}, MetaInfo{}},
		{"creation date is no number", dict{"creation date": raw("i12x4e")}, MetaInfo{}},
		{"creation date is out of range", dict{"creation date": raw("i9223372036854775807e")}, MetaInfo{}},
		{"creation date is negative", dict{"creation date": -5}, MetaInfo{}},
		{"comment with terminal escapes", dict{"comment": "\x1b[31mred\x07\tand\u202eback", "created by": "a\nb\xff"}, MetaInfo{Comment: "[31mred andback", CreatedBy: "a b�"}},
		{"comment.utf-8 preferred", dict{"comment": "\xc4", "comment.utf-8": "Ä"}, MetaInfo{Comment: "Ä"}},
		{"comment.utf-8 not UTF-8", dict{"comment": "A", "comment.utf-8": "\xc4"}, MetaInfo{Comment: "A"}},
		{"unknown keys of every kind", dict{"nodes": raw("i3e"), "aaa": raw("d1:bi1e1:ai2ee"), "zzz": raw("i99999999999999999999999e")}, MetaInfo{}},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			m, err := Parse(marshal(t, with(tt.fields, dict{"info": info})))
			if err != nil {
				t.Fatal(err)
			}
			if m.Info == nil || m.Info.Name != "a.bin" {
				t.Errorf("Info = %+v", m.Info)
			}
			m.Info = nil
			if !reflect.DeepEqual(*m, tt.want) {
				t.Errorf("got  %+v\nwant %+v", *m, tt.want)
			}
		})
	}
}

func TestParseBoundsLists(t *testing.T) {
	var tiers [][]string
	var seeds []string
	for i := range 1000 {
		tiers = append(tiers, []string{fmt.Sprintf("http://h%d/", i)})
		seeds = append(seeds, fmt.Sprintf("http://h%d/", i))
	}
	m, err := Parse(marshal(t, dict{"info": single, "announce-list": tiers, "url-list": seeds, "comment": strings.Repeat("é", 20000)}))
	if err != nil {
		t.Fatal(err)
	}
	if len(m.Trackers) != 256 || len(m.URLList) != 64 || len(m.Comment) != 16384 {
		t.Errorf("%d trackers, %d web seeds, %d bytes of comment", len(m.Trackers), len(m.URLList), len(m.Comment))
	}
}

func TestParseTrailingSpace(t *testing.T) {
	b := append(marshal(t, dict{"info": single}), "\r\n \t\n"...)
	if _, err := Parse(b); err != nil {
		t.Error(err)
	}
}

func TestParseKeepsNothing(t *testing.T) {
	b := marshal(t, dict{"info": single})
	m, err := Parse(b)
	if err != nil {
		t.Fatal(err)
	}
	clear(b)
	again, err := ParseInfo(m.Info.Bytes)
	if err != nil || again.Hash != m.Info.Hash || string(again.Pieces) != single["pieces"] {
		t.Errorf("info changed with the caller's bytes: %v", err)
	}
}

func TestParseRefuses(t *testing.T) {
	good := string(marshal(t, dict{"info": single}))
	info := string(marshal(t, single))
	tests := []struct {
		name, in, want string
	}{
		{"nothing", "", "metainfo: want a dictionary, have nothing"},
		{"a web page", "<!DOCTYPE html><html>", `want a dictionary, have no bencode: "<!DOCTYPE html><html>"`},
		{"a list", "le", "want a dictionary, have a list"},
		{"no info", "d8:announce9:http://a/e", "metainfo: info is missing"},
		{"info is a string", "d4:info3:abce", "info: want a dictionary, have a string"},
		{"info twice", "d4:info" + info + "4:info" + info + "e", "info is there twice"},
		{"garbage at the end", good + "\nxyz", fmt.Sprintf("4 bytes after the end of the torrent at byte %d", len(good))},
		{"truncated", good[:len(good)-30], "bencode at byte "},
		{"cut before the last e", good[:len(good)-1], fmt.Sprintf("bencode at byte %d: unexpected EOF", len(good)-1)},
		{"key without a value", "d4:infoe", `dictionary key "info" at byte 1 has no value`},
		{"key is an integer", "di1ei2ee", "dictionary key at byte 1: want a string, have an integer"},
		{"unknown type of value", "d1:ax", `bencode at byte 4: unknown value type`},
		{"string longer than the input", "d1:a2000000000:x", "bencode at byte "},
		{"string length with a sign", "d1:a1-:x", "bencode at byte "},
		{"string length of many digits", "d1:a" + strings.Repeat("9", 1<<20) + ":x", "bencode at byte "},
		{"too large", strings.Repeat(" ", MaxSize+1), "33554433 bytes are more than the limit of 33554432"},
		{"nested lists of 10 MB", "d1:a" + strings.Repeat("l", 5<<20) + strings.Repeat("e", 5<<20) + "e", "nesting depth 65 exceeds limit (64)"},
		{"nested lists never closed", strings.Repeat("l", 10<<20), "want a dictionary, have a list"},
		{"nested dictionaries never closed", strings.Repeat("d1:a", 2<<20), "nesting depth 65 exceeds limit (64)"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			m, err := Parse([]byte(tt.in))
			wantError(t, m, err, tt.want)
		})
	}
}

func wantError(t *testing.T, got any, err error, want string) {
	t.Helper()
	if err == nil {
		t.Fatalf("accepted: %+v", got)
	}
	if !strings.Contains(err.Error(), want) {
		t.Errorf("error %q, want %q in it", err, want)
	}
	if len(err.Error()) > 500 || strings.Count(err.Error(), "metainfo:") != 1 || !strings.HasPrefix(err.Error(), "metainfo: ") {
		t.Errorf("error of %d bytes with a wrong shape: %q", len(err.Error()), err)
	}
}
