// SPDX-License-Identifier: Apache-2.0

package vm

import (
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"
)

func TestTake(t *testing.T) {
	host, root := t.TempDir(), t.TempDir()
	if err := os.WriteFile(filepath.Join(host, "tool"), []byte("x"), 0o755); err != nil {
		t.Fatal(err)
	}
	cases := []struct{ file, want string }{
		{host + "/tool", "tool"},
		{host + "/tool:bin/other", "bin/other"},
		{host, filepath.Base(host) + "/tool"},
		{host + ":dir", "dir/tool"},
	}
	for _, c := range cases {
		if err := take(root, c.file); err != nil {
			t.Errorf("%s: %v", c.file, err)
			continue
		}
		info, err := os.Stat(filepath.Join(root, c.want))
		if err != nil || info.Mode().Perm() != 0o755 {
			t.Errorf("%s: %v, %v", c.file, info, err)
		}
	}
	for _, file := range []string{host + "/tool:../out", host + "/tool:/etc/tool", host + "/tool:.", host + "/none", "/"} {
		if err := take(root, file); err == nil {
			t.Errorf("%s: no error", file)
		}
	}
}

func TestConfigRefusals(t *testing.T) {
	cases := []struct {
		name   string
		config Config
		argv   []string
		want   string
	}{
		{"no command", Config{}, nil, "no command"},
		{"boot style", Config{Boot: "upstart"}, []string{"true"}, "plain, udev or systemd"},
		{"CPUs", Config{CPUs: -1}, []string{"true"}, "a machine needs a CPU"},
		{"memory", Config{MemoryMiB: 1}, []string{"true"}, "256 MiB"},
		{"limit", Config{Limit: -time.Second}, []string{"true"}, "time"},
		{"kernel", Config{Kernel: "2.6"}, []string{"true"}, "run tests/vm/setup as root first"},
	}
	for _, c := range cases {
		t.Run(c.name, func(t *testing.T) {
			_, err := c.config.Run(t.Context(), c.argv...)
			if err == nil || !strings.Contains(err.Error(), c.want) {
				t.Errorf("error %v, want %q in it", err, c.want)
			}
		})
	}
}
