// SPDX-License-Identifier: Apache-2.0

package main

import (
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
	"time"

	"zqublkd/internal/server"
	"zqublkd/internal/storage"
)

// fromGo is what Go's libraries put into errors and users can't do anything with.
var fromGo = regexp.MustCompile(`strconv\.|parsing "|invalid syntax|\bdial\b|\blookup\b|connect:|read unix|write unix|json:|EOF$|%!|<nil>|unmarshal|\.go:|0x[0-9a-f]{8,}`)

// TestUserErrors: every error that a user can make names the thing, says the rule
// and the way out, exits with the code that --help has for it, and has no words
// of Go's in it.
func TestUserErrors(t *testing.T) {
	t.Chdir(t.TempDir())
	runDir := filepath.Join(t.TempDir(), "run")
	mustRun(t, "create", "-o", "zone.mode=host-managed,zone.size=1M", "z.qcow2", "8M")
	mustRun(t, "create", "p.qcow2", "8M")
	mustRun(t, "create", "served.qcow2", "8M")
	writeRecord(t, runDir, server.Record{Options: server.Options{Name: "dead", Image: "/gone", RunDir: runDir}, ID: 8, Node: "/dev/ublkb8"})
	for name, b := range map[string]string{"text": strings.Repeat("no image ", 100), "empty": "", "vmdk": "KDMV" + strings.Repeat("\x00", 2000)} {
		if err := os.WriteFile(name, []byte(b), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	held, err := storage.Open("served.qcow2", storage.Options{})
	if err != nil {
		t.Fatal(err)
	}
	defer held.Close()
	zoned := []string{"create", "-o", "zone.mode=host-managed"}
	for _, c := range []struct {
		args []string
		code int
		says []string // the thing, the rule, the way out
	}{
		// Verbs, arguments, flags.
		{[]string{"lst"}, 2, []string{`"lst"`, "did you mean list?", "it has add"}},
		{[]string{"help", "lst"}, 2, []string{`"lst"`, "did you mean list?"}},
		{[]string{"zone"}, 2, []string{"zone", "say what to do", "set"}},
		{[]string{"zone", "rest", "z.qcow2", "--all"}, 2, []string{`zqublkd zone has no verb "rest"`, "did you mean reset?", "finish"}},
		{[]string{"zone", "reset"}, 2, []string{"zone reset", "must be IMAGE", "--help"}},
		{[]string{"zone", "reset", "z.qcow2"}, 2, []string{"--zone", "name the zones", "3,7-9"}},
		{[]string{"zone", "reset", "z.qcow2", "--all", "--zone", "1"}, 2, []string{"--all and --zone", "name zones"}},
		{[]string{"zone", "finish", "z.qcow2", "--zone", "8"}, 2, []string{"z.qcow2: zone 8", "zones 0 to 7"}},
		{[]string{"zone", "list", "z.qcow2", "--zone", "7-8"}, 2, []string{"z.qcow2", "no zone 8", "zones 0 to 7"}},
		{[]string{"zone", "reset", "p.qcow2", "--all"}, 3, []string{"p.qcow2", "plain qcow2 image"}},
		{[]string{"completion", "csh"}, 2, []string{`"csh"`, "bash", "zsh"}},
		{[]string{"info"}, 2, []string{"info", "must be IMAGE", "--help"}},
		{[]string{"info", "a", "b"}, 2, []string{`"a" "b"`, "must be IMAGE", "--help"}},
		{[]string{"features", "x"}, 2, []string{`"x"`, "no arguments", "--help"}},
		{[]string{"export", "z.qcow2"}, 2, []string{"export", "IMAGE OUT", "--help"}},
		{[]string{"info", "--jsn", "z.qcow2"}, 2, []string{"--jsn", "did you mean --json?", "info --help"}},
		{[]string{"info", "-x", "z.qcow2"}, 2, []string{"-x", "no flag", "info --help"}},
		{[]string{"info", "--json=perhaps", "z.qcow2"}, 2, []string{`--json "perhaps"`, "true or false"}},
		{[]string{"add", "--depth", "x", "z.qcow2"}, 2, []string{`--depth "x"`, "whole number from 0 to 65535"}},
		{[]string{"add", "--depth", "0", "z.qcow2"}, 2, []string{"--depth 0", "from 1 to 4096"}},
		{[]string{"add", "--id", "x", "z.qcow2"}, 2, []string{`--id "x"`, "whole number"}},
		{[]string{"add", "--stop-wait", "x", "z.qcow2"}, 2, []string{`--stop-wait "x"`, "30s"}},
		{[]string{"add", "--l2-cache-size", "x", "z.qcow2"}, 2, []string{"--l2-cache-size", `"x"`, "with K, M, G"}},
		{[]string{"add", "--depth"}, 2, []string{"--depth", "needs a value", "requests of a queue"}},
		{[]string{"info", "--log-level", "loud", "z.qcow2"}, 2, []string{`"loud"`, "error, warn, info, debug or trace"}},
		{[]string{"bench", "--op", "trim", "z.qcow2"}, 2, []string{`--op "trim"`, "read, write or append"}},
		{[]string{"bench", "--op", "write", "z.qcow2"}, 2, []string{"write would change the image", "--overwrite"}},
		{[]string{"bench", "--block", "x", "z.qcow2"}, 2, []string{"--block", `"x"`, "with K, M, G"}},
		{[]string{"check", "--repair", "some", "z.qcow2"}, 2, []string{`--repair "some"`, "leaks or all"}},
		{[]string{"check", "-U", "-r", "all", "z.qcow2"}, 2, []string{"--force-share", "can't be repaired"}},
		// Options of create and amend.
		{[]string{"create", "n"}, 2, []string{"size", "needs a size"}},
		{[]string{"create", "n", "many"}, 2, []string{`"many"`, "with K, M, G"}},
		{[]string{"create", "n", "1.5"}, 2, []string{`"1.5"`, "whole number of bytes", "smaller unit"}},
		{[]string{"create", "n", "99999999999999999999"}, 2, []string{"too large", "below 8E"}},
		{[]string{"create", "-o", "size=1M", "n", "1M"}, 2, []string{`SIZE "1M"`, "give it once"}},
		{[]string{"create", "-o", "sise=1M", "n"}, 2, []string{"-o sise", "did you mean size?", "-o help"}},
		{[]string{"create", "-o", "size=1M,zone.size=1M", "n"}, 2, []string{"zone options", "zone.mode=host-managed"}},
		{append(zoned, "-o", "zone.max_open_zones=x", "n", "8M"), 2, []string{"zone.max_open_zones", `"x"`, "whole number"}},
		{append(zoned, "-o", "zone.size=3M", "n", "9M"), 2, []string{"zone.size", "power of two"}},
		{append(zoned, "-o", "zone.revision=v5", "n", "8M"), 2, []string{"zone.revision", "v6"}},
		{append(zoned, "-o", "zone.size=8M", "n", "12M"), 2, []string{"the last zone is short", "multiple of the zone size", "--force"}},
		{[]string{"amend", "-o", "zone.revison=v8", "z.qcow2"}, 2, []string{"zone.revison", "zone.revision can be changed"}},
		{[]string{"amend", "z.qcow2"}, 2, []string{"nothing to change", "-o zone.revision="}},
		{[]string{"zone", "set", "z.qcow2", "--zone", "x", "--condition", "offline"}, 2, []string{`--zone "x"`, "number of a zone", "7-9"}},
		{[]string{"zone", "set", "z.qcow2", "--condition", "offline"}, 2, []string{"--zone", "name the zones"}},
		{[]string{"zone", "set", "z.qcow2", "--zone", "1", "--condition", "empty"}, 2, []string{`--condition "empty"`, "read-only, offline or normal"}},
		// Sizes, snapshots, salvage.
		{[]string{"resize", "p.qcow2"}, 2, []string{"resize", "must be IMAGE SIZE", "--help"}},
		{[]string{"resize", "p.qcow2", "many"}, 2, []string{`"many"`, "with K, M, G"}},
		{[]string{"resize", "p.qcow2", "1M"}, 2, []string{"p.qcow2", "would become smaller", "--shrink"}},
		{[]string{"resize", "p.qcow2", "1000"}, 2, []string{"p.qcow2", "multiple of 512"}},
		{[]string{"resize", "z.qcow2", "9000K"}, 2, []string{"z.qcow2", "multiple of the zone size"}},
		{[]string{"resize", "served.qcow2", "16M"}, 6, []string{"served.qcow2", "in use by process"}},
		{[]string{"snapshot"}, 2, []string{"snapshot", "say what to do", "apply, create, delete, list"}},
		{[]string{"snapshot", "creat", "p.qcow2", "a"}, 2, []string{`no verb "creat"`, "did you mean create?"}},
		{[]string{"snapshot", "-c", "a", "p.qcow2", "--run-dri", "r"}, 2, []string{"no flag --run-dri"}},
		{[]string{"snapshot", "-c", "a"}, 2, []string{"snapshot create", "must be IMAGE NAME"}},
		{[]string{"snapshot", "create", "p.qcow2", ""}, 2, []string{"p.qcow2", "NAME", "1 to 255 bytes"}},
		{[]string{"snapshot", "apply", "p.qcow2", "a"}, 2, []string{"p.qcow2", `"a"`, "no such internal snapshot", "snapshot list"}},
		{[]string{"snapshot", "delete", "z.qcow2", "a"}, 3, []string{"z.qcow2", "snapshots of a zoned image", "create -b"}},
		{[]string{"add", "--snapshot-id", "a", "p.qcow2"}, 2, []string{"--snapshot-id a", "not written to", "--read-only"}},
		{[]string{"export", "-l", "a", "p.qcow2", "n"}, 2, []string{`"a"`, "no such internal snapshot", "snapshot list"}},
		{[]string{"export", "-c", "--compression-type", "lz4", "p.qcow2", "n"}, 2, []string{`"lz4"`, "zlib or zstd"}},
		{[]string{"export", "--compression-type", "zstd", "p.qcow2", "n"}, 2, []string{"--compression-type", "--compress"}},
		{[]string{"export", "-c", "--format", "raw", "p.qcow2", "n"}, 2, []string{"--compress", "raw disk", "zstd"}},
		{[]string{"salvage", "p.qcow2"}, 2, []string{"salvage", "IMAGE OUT", "--help"}},
		{[]string{"salvage", "text", "n"}, 3, []string{"text", "not a qcow2 image"}},
		{[]string{"salvage", "--format", "vdi", "p.qcow2", "n"}, 2, []string{`"vdi"`, "qcow2 or raw"}},
		{[]string{"compact", "text"}, 3, []string{"text", "not a qcow2 image"}},
		// Files.
		{[]string{"info", "gone.qcow2"}, 1, []string{"gone.qcow2", "no such file"}},
		{[]string{"create", "gone/n", "8M"}, 1, []string{"gone/n", "no such file"}},
		{[]string{"create", "z.qcow2", "8M"}, 1, []string{"z.qcow2", "exists", "--force"}},
		{[]string{"info", "text"}, 3, []string{"text", "not a qcow2 image"}},
		{[]string{"info", "."}, 3, []string{"directory", "an image lives in"}},
		{[]string{"report", "p.qcow2"}, 3, []string{"p.qcow2", "plain qcow2 image, it has no zones"}},
		{[]string{"check", "text"}, 1, []string{"text", "not a qcow2 image"}},
		{[]string{"import", "-o", "zone.size=1M", "vmdk", "n"}, 3, []string{"vmdk", "only raw disks, qcow2", "qemu-img convert"}},
		{[]string{"import", "--format", "vmdk", "vmdk", "n"}, 2, []string{"format", "raw, qcow2 or zbd"}},
		{[]string{"export", "--force", "z.qcow2", "z.qcow2"}, 2, []string{"z.qcow2", "would be destroyed", "another name"}},
		{[]string{"export", "z.qcow2", "-"}, 2, []string{"OUT -", "--format raw"}},
		{[]string{"export", "--format", "vmdk", "z.qcow2", "n"}, 2, []string{`--format "vmdk"`, "qcow2 or raw"}},
		{[]string{"export", "--format", "raw", "z.qcow2", "p.qcow2"}, 1, []string{"p.qcow2", "exists", "--force"}},
		{[]string{"info", "served.qcow2"}, 6, []string{"served.qcow2", "in use by process", "-U"}},
		{[]string{"check", "served.qcow2"}, 1, []string{"served.qcow2", "in use by process", "-U"}},
		{[]string{"amend", "-o", "zone.revision=v8", "served.qcow2"}, 6, []string{"served.qcow2", "in use by process"}},
		// Devices.
		{[]string{"del"}, 2, []string{"del", "name a device", "zqublkd list"}},
		{[]string{"del", "all", "7"}, 2, []string{"all", "give it alone"}},
		{[]string{"del", "--all", "7"}, 2, []string{"--all", "alone"}},
		{[]string{"del", "--run-dir", runDir, "nobody"}, 2, []string{`"nobody"`, "number, node, name or image", "zqublkd list"}},
		{[]string{"del", "--run-dir", runDir, "5"}, 1, []string{"device 5", "not a device of", "zqublkd list"}},
		{[]string{"list", "--run-dir", runDir, "5"}, 1, []string{"device 5", "not a device of", "zqublkd list"}},
		{[]string{"list", "-o", "nme"}, 2, []string{"-o nme", "did you mean name?", "recovery"}},
		{[]string{"errors", "--run-dir", runDir, "8"}, 1, []string{"device 8", "gives no answer", "log"}},
		{[]string{"supervise"}, 2, []string{"supervise", "--help"}},
		{[]string{"supervise", "x", "d"}, 2, []string{`"x"`, "number"}},
		{[]string{"udev", "x"}, 2, []string{`"x"`, "number"}},
	} {
		t.Run(strings.Join(c.args, " "), func(t *testing.T) {
			began := time.Now()
			_, err := run(c.args...)
			if err == nil {
				t.Fatal("no error")
			}
			text := oneLine(err.Error())
			if code := exitCode(err); code != c.code {
				t.Errorf("exit code %d, want %d: %s", code, c.code, text)
			}
			for _, want := range c.says {
				if !strings.Contains(text, want) {
					t.Errorf("%q does not say %q", text, want)
				}
			}
			if words := fromGo.FindString(text); words != "" {
				t.Errorf("%q has %q of Go's", text, words)
			}
			if took := time.Since(began); took > time.Minute {
				t.Errorf("it took %v", took)
			}
		})
	}
	if _, err := os.Lstat("n"); err == nil {
		t.Error("a refused verb left an image")
	}
}
