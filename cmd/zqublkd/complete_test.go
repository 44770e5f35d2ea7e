// SPDX-License-Identifier: Apache-2.0

package main

import (
	"path/filepath"
	"strings"
	"testing"

	"zqublkd/internal/server"
)

// completions asks the program what a shell asks it, and returns the words
// without what explains them.
func completions(t *testing.T, args ...string) []string {
	t.Helper()
	var words []string
	for line := range strings.Lines(mustRun(t, append([]string{"__complete"}, args...)...)) {
		word, _, _ := strings.Cut(strings.TrimRight(line, "\n"), "\t")
		if strings.HasPrefix(word, ":") {
			return words
		}
		words = append(words, word)
	}
	t.Fatalf("%v: no directive", args)
	return nil
}

func TestCompletion(t *testing.T) {
	run := filepath.Join(t.TempDir(), "run")
	writeRecord(t, run, server.Record{Options: server.Options{Name: "scratch", Image: "/srv/a.qcow2", RunDir: run}, ID: 3, Node: "/dev/ublkb3"})
	writeRecord(t, run, server.Record{Options: server.Options{Name: "b", Image: "/srv/b.qcow2", RunDir: run}, ID: 4, Node: "/dev/ublkb4"})
	image := filepath.Join(t.TempDir(), "image")
	mustRun(t, "create", "-q", image, "1M")
	for _, name := range []string{"before", "a\tb", "3"} { // 3 is a name
		mustRun(t, "snapshot", "create", "-q", image, name)
	}
	for _, c := range []struct{ args, want string }{
		{"snapshot apply IMAGE |", "before 1 2 3 3"},
		{"snapshot delete IMAGE |b", "before"},
		{"snapshot delete IMAGE before |", ""},
		{"snapshot create IMAGE |", ""},
		{"snapshot apply |", ""}, // files
		{"add --read-only IMAGE --snapshot-id |b", "before"},
		{"serve IMAGE --snapshot-id |2", "2"},
		{"export IMAGE --snapshot-id |b", "before"},
		{"export IMAGE -l |b", "before"},
		{"add --snapshot-id |b", ""}, // of no image
		{"resize --run-dir RUN |s", "scratch"},
		{"resize --run-dir RUN scratch |", ""},
		{"del --run-dir RUN |", "/dev/ublkb3 scratch /dev/ublkb4 b all"},
		{"del --run-dir RUN scratch |", "/dev/ublkb4 b"},
		{"del --run-dir RUN |/dev/ublkb4", "/dev/ublkb4"},
		{"list --run-dir RUN |s", "scratch"},
		{"errors --run-dir RUN |", "/dev/ublkb3 scratch /dev/ublkb4 b"},
		{"recover --run-dir RUN |a", "all"},
		{"list -o |no", "node"},
		{"list -o |node,si", "node,size"},
		{"create -o |zone.si", "zone.size="},
		{"create -o |size=1G,zone.rev", "size=1G,zone.revision=v6 size=1G,zone.revision=v8 size=1G,zone.revision=v11 size=1G,zone.revision=v14"},
		{"create -o |extended_l2=on,ext", ""},
		{"create --zone-mode |", "host-managed"},
		{"create --profile |z", "zns zns-small zoned-ufs zn540"},
		{"import -o |zone.cap", "zone.capacity="},
		{"amend -o |", "zone.revision=v6 zone.revision=v8 zone.revision=v11 zone.revision=v14"},
		{"import --format |", "raw qcow2 zbd"},
		{"export --format |", "qcow2 raw"},
		{"check --repair |", "leaks all"},
		{"add --recovery |", "off reissue"},
		{"add --cache |w", "writeback"},
		{"zone set --condition |o", "offline"},
		{"bench --op |a", "append"},
		{"fault add --op |r", "read reset report"},
		{"fault list --run-dir RUN |s", "scratch"},
		{"powercut --mode |", "random lose"},
		{"--log-level |d", "debug"},
		{"|zo", "zone zones"},
		{"zone |re", "reset"},
		{"help zone |", "finish list reset set"},
	} {
		before, last, _ := strings.Cut(strings.NewReplacer("RUN", run, "IMAGE", image).Replace(c.args), "|")
		words := completions(t, append(strings.Fields(before), last)...)
		var got []string
		for _, w := range words { // shells leave out what does not begin as typed
			if strings.HasPrefix(w, last) {
				got = append(got, w)
			}
		}
		if text := strings.Join(got, " "); text != c.want {
			t.Errorf("%s: %q, want %q", c.args, text, c.want)
		}
	}
}
