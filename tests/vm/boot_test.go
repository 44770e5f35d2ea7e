// SPDX-License-Identifier: Apache-2.0

//go:build vm

package vm

import (
	"bytes"
	"errors"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
	"time"
)

// TestFaithful runs a command that uses everything a run offers, on each kernel.
func TestFaithful(t *testing.T) {
	const script = `
		test "$(uname -r)" = "$WANT" || exit 1
		test "$(nproc)" = 2 && test -z "$EMPTY" && test "$TEXT" = "a b
c" || exit 2
		test "$(tool)$(/opt/zqublkd/bin/tool)" = takentaken || exit 3
		echo from-guest | dd of=/dev/vdd conv=notrunc status=none || exit 4
		test "$(head -c 5 /dev/vde)" = hello || exit 5
		echo x 2>/dev/null >/dev/vde && exit 6
		grep -q " zqublkd-extra" /proc/cmdline || exit 7
		mkdir /out/sub
		head -c 8M /dev/urandom | tee /out/sub/output
		printf "to stderr, without a newline" | tee /out/errors >/dev/stderr
		kill -USR1 $$`
	for _, kernel := range []string{Linux6_12, Linux7_3, Linux6_1} {
		t.Run(kernel, func(t *testing.T) {
			dir := t.TempDir()
			release, err := Release(kernel)
			if err != nil {
				t.Fatal(err)
			}
			tool, writable, readOnly := filepath.Join(dir, "tool"), filepath.Join(dir, "w,1.img"), filepath.Join(dir, "r.img")
			write(t, tool, "#!/bin/sh\necho taken\n")
			write(t, writable, string(make([]byte, 1<<20)))
			write(t, readOnly, "hello"+string(make([]byte, 1<<20-5)))
			var stdout, stderr, log bytes.Buffer
			result, err := Config{
				Kernel: kernel, Files: []string{tool, tool + ":bin/tool"}, Disks: []string{writable, readOnly + ":ro"},
				Env: []string{"WANT=" + release, "EMPTY=", "TEXT=a b\nc"}, Append: "zqublkd-extra",
				Out: filepath.Join(dir, "out"), Stdout: &stdout, Stderr: &stderr, KernelLog: &log,
			}.Run(t.Context(), "bash", "-c", script)
			if err != nil {
				t.Fatal(err)
			}
			if result.Status != 128+10 {
				t.Errorf("status %d, want that of SIGUSR1; stderr: %s", result.Status, stderr.String())
			}
			equalFile(t, "stdout", stdout.Bytes(), filepath.Join(dir, "out/sub/output"))
			equalFile(t, "stderr", stderr.Bytes(), filepath.Join(dir, "out/errors"))
			if stdout.Len() != 8<<20 || !strings.HasPrefix(log.String(), "[    0.000000] Linux version "+release) {
				t.Errorf("%d bytes of output; log begins %.80q", stdout.Len(), log.String())
			}
			if image, _ := os.ReadFile(writable); !bytes.HasPrefix(image, []byte("from-guest\n")) {
				t.Errorf("the writable disk begins %.20q", image)
			}
		})
	}
}

func write(t *testing.T, path, text string) {
	t.Helper()
	if err := os.WriteFile(path, []byte(text), 0o755); err != nil {
		t.Fatal(err)
	}
}

func equalFile(t *testing.T, name string, got []byte, path string) {
	t.Helper()
	if want, err := os.ReadFile(path); err != nil || !bytes.Equal(got, want) {
		t.Errorf("%s: %d bytes differ from the %d of %s (%v)", name, len(got), len(want), path, err)
	}
}

func TestCommandNotFound(t *testing.T) {
	if result := Run(t, Config{}, "no-such-command"); result.Status != 127 {
		t.Errorf("status %d, want 127", result.Status)
	}
}

func TestKernelComplaint(t *testing.T) {
	const provoke = `echo "WARNING: made up" >/dev/kmsg; echo "BUG: not this one" >/dev/kmsg`
	c := Config{Allow: []*regexp.Regexp{regexp.MustCompile("not this one")}}
	_, err := c.Run(t.Context(), "sh", "-c", provoke)
	var complaint *ComplaintError
	if !errors.As(err, &complaint) || complaint.Lines[0] != "WARNING: made up" {
		t.Fatalf("error %v, want the warning", err)
	}
	c.Allow = append(c.Allow, regexp.MustCompile("^WARNING: made up$"))
	Run(t, c, "sh", "-c", provoke)
}

// TestHang hangs a task for good, in a frozen file system: the kernel must say so, the time limit
// must be kept, and the dump must name the task.
func TestHang(t *testing.T) {
	const script = `
		echo 2 >/proc/sys/kernel/hung_task_timeout_secs
		echo 1 >/proc/sys/kernel/hung_task_check_interval_secs
		modprobe brd rd_nr=1 rd_size=65536
		mkfs.ext4 -q /dev/ram0 && mount /dev/ram0 /mnt && fsfreeze -f /mnt || exit
		echo hanging | tee /out/said
		touch /mnt/file`
	out := t.TempDir()
	var stdout bytes.Buffer
	began := time.Now()
	c := Config{Limit: 45 * time.Second, Out: out, Stdout: &stdout}
	_, err := c.Run(t.Context(), "sh", "-c", script)
	if took := time.Since(began); took > c.Limit+limitGrace+15*time.Second {
		t.Errorf("took %v", took)
	}
	var complaint *ComplaintError
	if !errors.Is(err, ErrLimit) || !errors.As(err, &complaint) {
		t.Fatalf("error %v, want the limit and a complaint", err)
	}
	if !regexp.MustCompile(`task touch:\d+ blocked for more than`).MatchString(complaint.Lines[0]) {
		t.Errorf("complaint %q", complaint.Lines[0])
	}
	if !regexp.MustCompile(`task:touch +state:D`).MatchString(err.Error()) {
		t.Errorf("no dump of the task in %v", err)
	}
	equalFile(t, "stdout", stdout.Bytes(), filepath.Join(out, "said"))
}

func TestPanic(t *testing.T) {
	_, err := Config{}.Run(t.Context(), "sh", "-c", "echo c >/proc/sysrq-trigger")
	var complaint *ComplaintError
	if !errors.Is(err, ErrDown) || !errors.As(err, &complaint) {
		t.Fatalf("error %v, want that it went down, and why", err)
	}
}

func TestUdev(t *testing.T) {
	const script = `modprobe null_blk nr_devices=1 && udevadm settle && udevadm info /dev/nullb0 && test -L /dev/disk/by-id/virtio-own0`
	if result := Run(t, Config{Boot: BootUdev}, "sh", "-c", script); result.Status != 0 {
		t.Errorf("status %d", result.Status)
	}
}

func TestSystemd(t *testing.T) {
	const script = `
		test "$(cat /proc/1/comm)" = systemd && test -L /dev/disk/by-id/virtio-own0 || exit 1
		test -z "$(systemctl --failed --no-legend)" || exit 2
		printf "[Service]\nType=notify\nExecStart=systemd-notify --ready --no-block --exec \; sleep 60\n" >/run/systemd/system/unit.service
		systemctl daemon-reload && systemctl start unit && systemctl is-active unit && systemctl stop unit`
	if result := Run(t, Config{Kernel: Linux7_3, Boot: BootSystemd}, "sh", "-c", script); result.Status != 0 {
		t.Errorf("status %d", result.Status)
	}
}
