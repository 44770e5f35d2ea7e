// SPDX-License-Identifier: Apache-2.0

package vm

import (
	"regexp"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

func TestComplaints(t *testing.T) {
	cases := []struct {
		name, log, allow string
		want             int // lines
	}{
		{"healthy", "BTRFS warning (device ublkb0): x\nI/O error, dev ublkb0, sector 0\nublk: BUGS none\ndebug: oops", "", 0},
		{"rcu stall", "rcu: INFO: rcu_preempt detected stalls on CPUs/tasks:", "", 0},
		{"warning", "WARNING: CPU: 1 PID: 9 at fs/inode.c:300 drop_nlink+0x2c/0x40", "", 1},
		{"warning, new form", "WARNING: fs/inode.c:300 at drop_nlink+0x2c/0x40, CPU#1: sh/9", "", 1},
		{"warning to its end", "WARNING: x\ntrace\n---[ end trace 0000000000000000 ]---\nlater", "", 3},
		{"oops", "BUG: kernel NULL pointer dereference, address: 0000000000000000\nOops: Oops: 0002 [#1]", "", 2},
		{"held up", "WARNING: kernel/time/hrtimer.c:1098 at hrtimer_forward+0x7b/0xc0, CPU#1: swapper/1/0", "", 0},
		{"a timer of somebody's", "WARNING: kernel/time/hrtimer.c:1098 at hrtimer_forward+0x7b/0xc0, CPU#1: fio/812", "", 1},
		{"bug", "kernel BUG at block/bio.c:64!", "", 1},
		{"hung task", "INFO: task fio:812 blocked for more than 30 seconds.", "", 1},
		{"panic", "Kernel panic - not syncing: Attempted to kill init!", "", 1},
		{"allowed", "WARNING: CPU: 1 PID: 9 at fs/inode.c:300 drop_nlink+0x2c/0x40", "drop_nlink", 0},
		{"allowed but another", "WARNING: a\n---[ end trace 0 ]---\nWARNING: b", "WARNING: a", 1},
		{"two", "WARNING: a\n---[ end trace 0 ]---\nfine\nWARNING: b\nb", "", 4},
		{"bounded", "WARNING: a\n" + strings.Repeat("line\n", 200), "", complaintLines},
	}
	for _, c := range cases {
		t.Run(c.name, func(t *testing.T) {
			seen := complaints{}
			if c.allow != "" {
				seen.allow = append(seen.allow, regexp.MustCompile(c.allow))
			}
			for line := range strings.Lines(c.log) {
				seen.see(strings.TrimSuffix(line, "\n"))
			}
			if len(seen.lines) != c.want {
				t.Errorf("%d lines, want %d: %q", len(seen.lines), c.want, seen.lines)
			}
		})
	}
}

func TestConsoleComplaints(t *testing.T) {
	var seen complaints
	seen.seeConsole("boot\n[    1.950530] Kernel panic - not syncing: dead\n[    1.951665] CPU: 1\n")
	if diff := cmp.Diff([]string{"Kernel panic - not syncing: dead", "CPU: 1"}, seen.lines); diff != "" {
		t.Error(diff)
	}
}

func TestDump(t *testing.T) {
	var d dump
	for _, line := range []string{"before", "sysrq: Show Blocked State", "task:sh state:D"} {
		d.see(line)
	}
	if got := d.String(); got != "sysrq: Show Blocked State\n  task:sh state:D" {
		t.Errorf("%q", got)
	}
}
