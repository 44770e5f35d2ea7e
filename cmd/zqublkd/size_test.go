// SPDX-License-Identifier: Apache-2.0

package main

import (
	"strings"
	"testing"

	"github.com/spf13/cobra"
)

func TestParseSize(t *testing.T) {
	for text, want := range map[string]uint64{
		"0": 0, "512": 512, "4k": 4096, "4K": 4096, "64KiB": 64 << 10, "256M": 256 << 20, "1G": 1 << 30,
		"2T": 2 << 40, "0x1000": 4096, "1GB": 1 << 30,
		"0.5G": 512 << 20, "1.5k": 1536, "0.5KiB": 512, "2.0": 2, "1.000976562500K": 1025, "512MiB": 512 << 20, "7.5E": 15 << 59,
	} {
		got, err := parseSize(text)
		if err != nil || got != want {
			t.Errorf("%q: %d, %v; want %d", text, got, err, want)
		}
	}
	for _, text := range []string{"", "K", "1.5", "0.3K", ".5G", "1.G", "1e3", "1/2K", "8.5E", "0x1.8G", "18446744073709551616", "-1", "12Q", "16E", "1KK", "B"} {
		if n, err := parseSize(text); err == nil {
			t.Errorf("%q: %d, want an error", text, n)
		}
	}
}

func TestFormatSize(t *testing.T) {
	for n, want := range map[uint64]string{0: "0", 1: "1", 1000: "1000", 1024: "1K", 1536: "1536", 256 << 20: "256M", 3 << 40: "3T"} {
		if got := formatSize(n); got != want {
			t.Errorf("%d: %q, want %q", n, got, want)
		}
	}
}

func FuzzParseSize(f *testing.F) {
	for _, s := range []string{"1", "64K", "9E", "0x10M", "", "18446744073709551615"} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, s string) {
		if n, err := parseSize(s); err == nil {
			if again, err := parseSize(formatSize(n)); err != nil || again != n {
				t.Errorf("%q is %d, printed %q, read %d, %v", s, n, formatSize(n), again, err)
			}
		}
	})
}

// What add is told, the daemon it starts is told.
func TestServeArgs(t *testing.T) {
	var told, daemon serveOptions
	add, serve := &cobra.Command{}, &cobra.Command{}
	told.addFlags(add)
	daemon.addFlags(serve)
	serve.Flags().BoolVar(&daemon.detached, "detached", false, "")
	serve.Flags().StringVar(&daemon.handed, "options", "", "")
	serve.Flags().StringVar(new(string), "log-level", "", "")
	if err := add.ParseFlags([]string{"--l2-cache-size=1M", "--depth=7", "--zero-copy=off", "--cache=writeback", "--id=3"}); err != nil {
		t.Fatal(err)
	}
	if err := serve.ParseFlags(told.args("disk.qcow2")); err != nil {
		t.Fatal(err)
	}
	if err := daemon.complete(told.Image); err != nil {
		t.Fatal(err)
	}
	daemon.detached, daemon.handed = false, ""
	if daemon != told || daemon.L2Cache != 1<<20 {
		t.Errorf("told %+v, the daemon %+v", told, daemon)
	}
}

// A daemon that is handed an option of a newer program refuses: to serve without it
// would be to serve something else.
func TestServeRefusesOptionsItDoesNotKnow(t *testing.T) {
	o := serveOptions{handed: `{"image":"/a","depth":7,"of_tomorrow":true}`}
	if err := o.complete("/a"); err == nil || !strings.Contains(err.Error(), "of_tomorrow") {
		t.Errorf("got %v", err)
	}
}
