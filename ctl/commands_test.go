package main

import (
	"encoding/json"
	"slices"
	"strings"
	"testing"
	"time"

	"lorrent/rpc"
)

func TestPlainOutput(t *testing.T) {
	const header = "ID\tSTATE\tDONE\tSIZE\tDOWN\tUP\tPEERS\tETA\tNAME\n"
	const iso = hashISO + "\tdownloading\t50.0%\t1.0 GiB\t3.0 MiB/s\t1.0 KiB/s\t12\t2m51s\tdebian.iso\n"
	const book = hashBook + "\tseeding\t100.0%\t1000 B\t-\t-\t0\t-\t本の名前\n"
	const video = hashVideo + "\terror\t0.0%\t10 MiB\t-\t-\t0\t-\tevil\uFFFD[2J\uFFFD31m name\n"
	for _, test := range []struct {
		name string
		args string
		want string
	}{
		{"ls", "ls", header + iso + book + video},
		{"ls alias", "list --no-header", iso + book + video},
		{"ls by name", "ls --no-header --sort name", iso + video + book},
		{"ls by size, reversed", "ls --no-header --sort size -r", book + video + iso},
		{"ls by eta, unknown last", "ls --no-header --sort eta", iso + book + video},
		{"ls by ratio", "ls --no-header --sort ratio", book + iso + video},
		{"ls of states", "ls --no-header --state seeding,error", book + video},
		{"ls of a state nobody is in", "ls --no-header --state queued", ""},
		{"ls of the active", "ls --no-header --state active", iso},
		{"ls ids", "ls -q --state downloading --state seeding", hashISO + "\n" + hashBook + "\n"},
		{"start", "start 89abc", "started\t" + hashISO + "\tdebian.iso\n"},
		{"stop several", "stop 89abc 1234", "stopped\t" + hashISO + "\tdebian.iso\nstopped\t" + hashVideo + "\tevil\uFFFD[2J\uFFFD31m name\n"},
		{"recheck all", "recheck --all", "rechecking\t" + hashISO + "\tdebian.iso\nrechecking\t" + hashBook + "\t本の名前\nrechecking\t" + hashVideo + "\tevil\uFFFD[2J\uFFFD31m name\n"},
		{"reannounce", "reannounce 89abff", "announcing\t" + hashBook + "\t本の名前\n"},
		{"rm", "rm 89abff", "removed\t" + hashBook + "\t本の名前\n"},
		{"rm with data", "rm 89abff --data --yes", "deleted\t" + hashBook + "\t本の名前\n"},
		{"limits", "limits", "limits\tno limit down, no limit up\nalternative\tno limit down, no limit up\nmode\toff\nnow\tthe usual limits hold\n"},
		{"limits changed", "limits --down 5MiB/s --alt-schedule 8:00-9:00", "limits\t5.0 MiB/s down, no limit up\nalternative\tno limit down, no limit up\n" +
			"mode\tschedule\nschedule\t8:00-9:00\nnow\tthe usual limits hold\nsource\tchanged by command; --reset returns to the configuration\n"},
		{"limits reset", "limits --reset", "limits\tno limit down, no limit up\nalternative\tno limit down, no limit up\nmode\toff\nnow\tthe usual limits hold\n"},
		{"limits of a torrent", "limits 89abff", hashBook + "\tno limit down, no limit up\t本の名前\n"},
		{"limits of torrents changed", "limits 89abff 89abc --up 1KiB --down 0", hashBook + "\tno limit down, 1.0 KiB/s up\t本の名前\n" + hashISO + "\tno limit down, 1.0 KiB/s up\tdebian.iso\n"},
		{"boards", "lora boards", "PORT\tUSB\tUSED\tMAY BE\tPRODUCT\n/dev/ttyACM0\t067b:2303\t\t\tMouse\n" +
			"/dev/ttyUSB0\t10c4:ea60\tdaemon\tCP210x: Heltec V2 and V3, many others\tCP2102\n"},
		{"nodes", "nodes", "RSSI\tSNR\tPACKETS\tHEARD\tNODE\n-97 dBm\t5.2 dB\t7\t1d12h ago\t!89abcdef\n"},
		{"health", "health", ""},
		{"shutdown", "shutdown", "the daemon is shutting down\n"},
		{"send", "send !89abcdef good  morning", "queued\tb4\t!89abcdef\n"},
		{"status", "status", "version\tv1.2.3\nprocess\t42, up 1h02m\n" +
			"last end\tnot in order: the previous process was killed or crashed\nstate folder\t/state\ndownloads\t/srv, 5.0 GiB free\n" +
			"listening\t[::]:20123\nport\tmapped by UPnP 203.0.113.5:20123\ntorrents\t3, 1 downloading, 1 error, 1 seeding\npeers\t12\nrates\t3.0 MiB/s down, 1.0 KiB/s up\n" +
			"radio\tserial:/dev/ttyUSB0, down: no such device\n"},
		{"status of the radio", "status --lora", "radio\tsim, up\nnode\t!00000002\nfrequency\t869.525 MHz\n" +
			"modulation\tSF11, 250 kHz, coding rate 4/5\npower\t14 dBm\nairtime\t12.3 of 360 s in the last hour\nqueued\t1 message\n" +
			"packets\t10 sent, 20 received, 3 bad, 4 duplicate\nnodes\t1 heard\n"},
	} {
		t.Run(test.name, func(t *testing.T) {
			newFakeDaemon(t).ctl(strings.Fields(test.args)...).want(t, exitOK, test.want)
		})
	}
}

func TestLsSort(t *testing.T) {
	d := newFakeDaemon(t)
	iso, book, video := &d.torrents[0], &d.torrents[1], &d.torrents[2]
	video.Peers, video.UploadRate, book.DownloadRate, book.ETASeconds = 99, 1<<20, 1<<30, 5
	for _, test := range []struct {
		by   string
		want [3]*rpc.Torrent
	}{
		{"added", [3]*rpc.Torrent{iso, book, video}},
		{"name", [3]*rpc.Torrent{iso, video, book}},
		{"state", [3]*rpc.Torrent{iso, video, book}},
		{"size", [3]*rpc.Torrent{iso, video, book}},
		{"done", [3]*rpc.Torrent{book, iso, video}},
		{"down", [3]*rpc.Torrent{book, iso, video}},
		{"up", [3]*rpc.Torrent{video, iso, book}},
		{"peers", [3]*rpc.Torrent{video, iso, book}},
		{"ratio", [3]*rpc.Torrent{book, iso, video}},
		{"eta", [3]*rpc.Torrent{book, iso, video}},
	} {
		t.Run(test.by, func(t *testing.T) {
			want := ""
			for _, x := range test.want {
				want += x.InfoHash + "\n"
			}
			d.ctl("ls", "-q", "--sort", test.by).want(t, exitOK, want)
		})
	}
}

func TestInboxPlain(t *testing.T) {
	clock := time.Date(2026, 3, 1, 12, 0, 0, 0, time.UTC).Local().Format("2006-01-02 15:04:05")
	hello := clock + "\t!00000001\t!00000002\treceived\thello\n"
	mine := clock + "\t!00000002\tall\tsent\tmine\n"
	lines := clock + "\t!00000003?\tall\treceived\ttwo lines \uFFFD]0;title\uFFFD\n"
	for _, test := range []struct{ name, args, want string }{
		{"received", "inbox", "TIME\tFROM\tTO\tSTATE\tTEXT\n" + hello + lines},
		{"sent", "inbox --sent --no-header", mine},
		{"both", "inbox --all --no-header", hello + mine + lines},
		{"newest", "inbox --all --no-header --limit 1", lines},
		{"of a peer", "inbox --no-header --peer !00000001", hello},
	} {
		t.Run(test.name, func(t *testing.T) {
			newFakeDaemon(t).ctl(strings.Fields(test.args)...).want(t, exitOK, test.want)
		})
	}
}

func TestShowPlain(t *testing.T) {
	r := newFakeDaemon(t).ctl("show", "89abff", "--files", "--peers", "--trackers", "--webseeds", "--pieces")
	clock := time.Date(2026, 3, 1, 12, 0, 0, 0, time.UTC)
	r.want(t, exitOK, "name\t本の名前\nid\t"+hashBook+"\nstate\tseeding\nsuper-seeding\tuntil there is another seed\ndone\t100.0%, 1000 B of 1000 B\neta\t-\n"+
		"rates\t0 B/s down, 0 B/s up\npeers\t0, 0 seeds\ntransferred\t0 B down, 2.4 KiB up, 0 B wasted\nratio\t2.50\npieces\t1 of 16 KiB\n"+
		"files\t2\nfolder\t/srv\nprivate\tno\nadded\t"+timeText(clock.Add(time.Hour))+"\ncompleted\t"+timeText(clock)+"\nno peers\ttracker: HTTP 502, DHT: 412 nodes, port: 51767, nobody has called yet\n"+
		"\n#\tDONE\tSIZE\tPRIORITY\tFILE\n0\t50.0%\t2.0 KiB\thigh\ta/\uFFFDb\n2\t100.0%\t0 B\tskip\tempty\n"+
		"\nADDRESS\tFROM\tOVER\tENCRYPTION\tDONE\tDOWN\tUP\tREQUESTS\tFLAGS\tCLIENT\n10.0.0.1:51413\tincoming\tutp\thandshake\t50.0%\t2.0 KiB/s\t-\t5\tdUI\tEvil\uFFFD 1.0\n"+
		"\nTIER\tSTATE\tSEEDERS\tLEECHERS\tPEERS\tNEXT\tURL\tMESSAGE\n0\terror\t-\t3\t0\t-\thttp://t/announce\trefused\uFFFD[0m\n"+
		"\nSTATE\tDOWN\tRECEIVED\tMISSING\tRETRY\tURL\tMESSAGE\nbanned\t-\t2.0 KiB\t1\t-\thttp://w/\tsent piece 3 with a wrong hash\uFFFD[0m\n"+
		"\nverified\t13 of 1 piece\nrarest\t0 among the peers, 1 piece with none\n█\n")
}

// TestJSON checks that --json is the result of the call on every command, and
// free of anything a terminal obeys.
func TestJSON(t *testing.T) {
	torrent := func(d *fakeDaemon, i int) any { return d.torrents[i] }
	for _, test := range []struct {
		name string
		args string
		want func(d *fakeDaemon) any
	}{
		{"ls", "ls", func(d *fakeDaemon) any { return d.torrents }},
		{"ls of none", "ls --state queued", func(*fakeDaemon) any { return []rpc.Torrent{} }},
		{"add", "add http://x/new.torrent --paused", func(d *fakeDaemon) any { return torrent(d, 3) }},
		{"add several", "add http://x/a http://x/b", func(d *fakeDaemon) any { return d.torrents[3:] }},
		{"show", "show 89abff", func(d *fakeDaemon) any { return rpc.TorrentDetail{Torrent: d.torrents[1], Finding: fakeFinding} }},
		{"start", "start 1234", func(*fakeDaemon) any { return rpc.Empty{} }},
		{"stop several", "stop 1234 89abff", func(*fakeDaemon) any { return []rpc.Empty{{}, {}} }},
		{"recheck all", "recheck --all", func(*fakeDaemon) any { return []rpc.Empty{{}, {}, {}} }},
		{"reannounce", "reannounce 1234", func(*fakeDaemon) any { return rpc.Empty{} }},
		{"rm", "rm 1234", func(*fakeDaemon) any { return rpc.Empty{} }},
		{"send", "send all hi", func(d *fakeDaemon) any { return d.messages[3] }},
		{"inbox", "inbox --all", func(d *fakeDaemon) any { return d.messages }},
		{"inbox with nothing", "inbox --peer !000000ff", func(*fakeDaemon) any { return []rpc.Message{} }},
		{"nodes", "nodes", func(d *fakeDaemon) any { return d.nodes }},
		{"shutdown", "shutdown", func(*fakeDaemon) any { return rpc.Empty{} }},
	} {
		t.Run(test.name, func(t *testing.T) {
			d := newFakeDaemon(t)
			r := d.ctl(append(strings.Fields(test.args), "--json")...)
			want, err := json.Marshal(test.want(d))
			if err != nil {
				t.Fatal(err)
			}
			if r.code != exitOK || r.stderr != "" || strings.ContainsFunc(strings.TrimSuffix(r.stdout, "\n"), unsafeRune) {
				t.Errorf("exit code %d, stdout %q, stderr %q", r.code, r.stdout, r.stderr)
			}
			if !sameJSON(t, r.stdout, string(want)) {
				t.Errorf("stdout %s\nwant   %s", r.stdout, want)
			}
		})
	}
}

func sameJSON(t *testing.T, x, y string) bool {
	t.Helper()
	canonical := func(s string) string {
		var v any
		if err := json.Unmarshal([]byte(s), &v); err != nil {
			t.Fatalf("%v in %q", err, s)
		}
		b, err := json.Marshal(v)
		if err != nil {
			t.Fatal(err)
		}
		return string(b)
	}
	return canonical(x) == canonical(y)
}

func TestJSONObjects(t *testing.T) {
	d := newFakeDaemon(t)
	var status, health rpc.DaemonStatus
	d.ctl("status", "--json").decode(t, &status)
	d.ctl("health", "--json").decode(t, &health)
	if status.PID != 42 || health.PID != 42 {
		t.Errorf("status %+v, health %+v", status, health)
	}
	var lora rpc.LoRaStatus
	d.ctl("status", "--lora", "--json").decode(t, &lora)
	if lora.SpreadingFactor != 11 {
		t.Errorf("lora %+v", lora)
	}
	var v versions
	d.ctl("version", "--json").decode(t, &v)
	if v.Version.Version != "v1.2.3" || v.Client.API != rpc.API || v.Client.GoVersion == "" {
		t.Errorf("version %+v", v)
	}
	var own rpc.Version
	d.ctl("version", "--client", "--json").decode(t, &own)
	if own != v.Client {
		t.Errorf("client version %+v, want %+v", own, v.Client)
	}
	var detail rpc.TorrentDetail
	d.ctl("show", "1234", "--json", "--files", "--peers", "--trackers", "--pieces").decode(t, &detail)
	if len(detail.Files) != 2 || len(detail.PeerList) != 1 || len(detail.Trackers) != 1 || len(detail.Pieces) != 5 {
		t.Errorf("detail %+v", detail)
	}
}

// TestCalls checks what the commands ask of the daemon.
func TestCalls(t *testing.T) {
	for _, test := range []struct {
		name   string
		args   string
		method string
		want   []string
	}{
		{"rm keeps the files", "rm 1234", "Torrent.Remove", []string{`{"id":"` + hashVideo + `"}`}},
		{"rm --data --yes", "rm 1234 --data --yes", "Torrent.Remove", []string{`{"id":"` + hashVideo + `","deleteData":true}`}},
		{"rm --json leaves the prefix to the daemon", "rm 1234 --json", "Torrent.Remove", []string{`{"id":"1234"}`}},
		{"stop --all", "stop --all", "Torrent.Stop", []string{`{"id":"` + hashISO + `"}`, `{"id":"` + hashBook + `"}`, `{"id":"` + hashVideo + `"}`}},
		{"show asks for what it shows", "show 1234 --peers", "Torrent.Get", []string{`{"id":"1234","peers":true}`}},
		{"send joins words", "send !89abcdef good  morning", "Message.Send", []string{`{"to":"!89abcdef","text":"good morning"}`}},
		{"inbox", "inbox", "Message.List", []string{`{"limit":100,"direction":"in"}`}},
		{"inbox --all", "inbox --all --limit 5 --peer all", "Message.List", []string{`{"limit":5,"peer":"all"}`}},
		{"add a URL", "add HTTPS://x/y", "Torrent.Add", []string{`{"url":"HTTPS://x/y"}`}},
		{"add a magnet link", "add magnet:?xt=urn:btih:00", "Torrent.Add", []string{`{"url":"magnet:?xt=urn:btih:00"}`}},
		{"add with options", "add http://x/y --dir /a/b --paused --super-seed", "Torrent.Add", []string{`{"url":"http://x/y","dir":"/a/b","paused":true,"superSeed":true}`}},
	} {
		t.Run(test.name, func(t *testing.T) {
			d := newFakeDaemon(t)
			r := d.ctl(strings.Fields(test.args)...)
			if got := d.called(test.method); r.code != exitOK || !slices.Equal(got, test.want) {
				t.Errorf("exit code %d, %s %s, want %s (stderr %s)", r.code, test.method, got, test.want, r.stderr)
			}
		})
	}
}
