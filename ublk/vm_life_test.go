// SPDX-License-Identifier: Apache-2.0

//go:build vm

package ublk

import (
	"bytes"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"

	"golang.org/x/sys/unix"
)

func TestKilledServer(t *testing.T) {
	c := control(t)
	t.Run("before start", func(t *testing.T) {
		cmd, id := killable(t, 2, "serve")
		killAndDelete(t, c, cmd, id)
	})
	t.Run("live with writes", func(t *testing.T) {
		cmd, id := killable(t, 2, "serve")
		must(t, starter(id, cmd.Process.Pid).Run())
		fio := fioWriter(id)
		must(t, fio.Start())
		time.Sleep(700 * time.Millisecond)
		killAndDelete(t, c, cmd, id)
		if err := fio.Wait(); err == nil {
			t.Error("fio went on without a server")
		}
	})
	t.Run("in the zone report", func(t *testing.T) {
		cmd, id := killable(t, 1, "report")
		start := starter(id, cmd.Process.Pid)
		var out bytes.Buffer
		start.Stderr = &out
		must(t, start.Start())
		time.Sleep(700 * time.Millisecond)
		killAndDelete(t, c, cmd, id)
		if err := start.Wait(); err == nil || !strings.Contains(out.String(), "START_DEV") {
			t.Errorf("starter: %v %s", err, out.String())
		}
		t.Logf("starter: %s", out.String())
	})
}

// recoverDevice takes a device without a server over into this process, with an empty disk.
func recoverDevice(t *testing.T, c *Control, id uint32) *rig {
	t.Helper()
	deadline := time.Now().Add(5 * time.Second)
	for err := c.StartRecovery(id); err != nil; err = c.StartRecovery(id) {
		if !IsBusy(err) || time.Now().After(deadline) {
			t.Fatal(err)
		}
		time.Sleep(10 * time.Millisecond)
	}
	info, err := c.DeviceInfo(id)
	must(t, err)
	r := &rig{c: c, info: info}
	r.disk, err = newRAMDisk(rigZones, rigConv, rigChunk, rigCapacity, int(info.Queues))
	must(t, err)
	must(t, r.open(rigOptions{}))
	must(t, c.EndRecovery(id, os.Getpid()))
	return r
}

// pattern is a block of one byte, in memory that O_DIRECT takes.
func pattern(t *testing.T, v byte) []byte {
	t.Helper()
	mem, err := unix.Mmap(-1, 0, rigBlock, unix.PROT_READ|unix.PROT_WRITE, unix.MAP_ANONYMOUS|unix.MAP_PRIVATE)
	must(t, err)
	t.Cleanup(func() { unix.Munmap(mem) })
	for i := range mem {
		mem[i] = v
	}
	return mem
}

// TestRecovery kills a server under a disk that is held open: writes made meanwhile wait for the
// next server.
func TestRecovery(t *testing.T) {
	c := control(t)
	cmd, id := killable(t, 2, "recover")
	must(t, starter(id, cmd.Process.Pid).Run())
	fd, err := unix.Open(BlockPath(id), unix.O_RDWR|unix.O_DIRECT|unix.O_CLOEXEC, 0)
	must(t, err)
	block := pattern(t, 0x5a)
	if _, err := unix.Pwrite(fd, block, 0); err != nil {
		t.Fatal(err)
	}
	must(t, cmd.Process.Kill())
	_ = cmd.Wait()
	written := make(chan error)
	go func() { _, err := unix.Pwrite(fd, block, rigBlock); written <- err }()
	select {
	case err := <-written:
		t.Fatalf("a write without a server ended: %v", err)
	case <-time.After(300 * time.Millisecond):
	}
	r := recoverDevice(t, c, id)
	must(t, <-written)
	if got := r.disk.bytes(rigBlock/SectorBytes, rigBlock); !bytes.Equal(got, block) {
		t.Error("the write that waited did not arrive")
	}
	if n := r.disk.served[OpReportZones].Load(); n != 0 {
		t.Errorf("%d zone reports during recovery", n)
	}
	must(t, unix.Close(fd))
	must(t, r.end())
}

// quiesce takes a device from its running server, which gets ENODEV on every tag.
func quiesce(c *Control, id uint32, wait time.Duration) error {
	return c.simple(cmdQuiesceDev, id, uint64(wait.Milliseconds()), c.timeout.stop+wait)
}

// TestQuiesce hands a running device from one set of queues to another without an error at the
// client.
func TestQuiesce(t *testing.T) {
	c := control(t)
	if f, err := c.Features(); err != nil || !f.Has(FeatureQuiesce) {
		if err := quiesce(c, 0, time.Second); !errors.Is(err, syscall.EOPNOTSUPP) && !IsNoDevice(err) {
			t.Errorf("quiesce on a kernel without it: %v", err)
		}
		return
	}
	r, err := newRig(c, rigOptions{id: -1, queues: 2, optional: FeatureRecovery | FeatureQuiesce})
	must(t, err)
	must(t, r.start())
	must(t, quiesce(c, r.info.ID, 5*time.Second))
	r.wg.Wait() // every tag came back
	must(t, r.dev.Close())
	again := recoverDevice(t, c, r.info.ID)
	run(t, "dd", "if=/dev/zero", "of="+r.info.BlockPath(), "bs=64k", "count=4", "oflag=direct", "conv=notrunc")
	must(t, again.end())
	must(t, errors.Join(r.errs...))
}

// TestQuitAndRecover has a server leave without STOP_DEV: the disk stays for the next one.
func TestQuitAndRecover(t *testing.T) {
	c := control(t)
	cmd, id := killable(t, 2, "recover")
	must(t, starter(id, cmd.Process.Pid).Run())
	must(t, cmd.Process.Signal(unix.SIGTERM))
	must(t, cmd.Wait())
	r := recoverDevice(t, c, id)
	run(t, "dd", "if="+r.info.BlockPath(), "of=/dev/null", "bs=64k", "count=4", "iflag=direct")
	must(t, r.end())
}

func TestStopBeforeStart(t *testing.T) {
	r, err := newRig(control(t), rigOptions{id: -1, queues: 2})
	must(t, err)
	must(t, r.end())
}

// TestBtrfs has the kernel append to zones and find what it wrote at the addresses answered.
func TestBtrfs(t *testing.T) {
	r := started(t, rigOptions{queues: 2, wide: true})
	dir := t.TempDir()
	run(t, "modprobe", "btrfs")
	run(t, "mkfs.btrfs", "-f", "-O", "zoned", "-d", "single", "-m", "single", r.info.BlockPath())
	run(t, "mount", "-t", "btrfs", r.info.BlockPath(), dir)
	for i := range 8 {
		must(t, os.WriteFile(filepath.Join(dir, fmt.Sprint(i)), bytes.Repeat([]byte{byte('a' + i)}, 1<<20), 0o600))
	}
	run(t, "umount", dir)
	run(t, "mount", "-t", "btrfs", r.info.BlockPath(), dir)
	for i := range 8 {
		b, err := os.ReadFile(filepath.Join(dir, fmt.Sprint(i)))
		if err != nil || !bytes.Equal(b, bytes.Repeat([]byte{byte('a' + i)}, 1<<20)) {
			t.Errorf("file %d: %v", i, err)
		}
	}
	run(t, "umount", dir)
	n := r.disk.served[OpZoneAppend].Load()
	t.Logf("%d appends", n)
	if n == 0 {
		t.Error("btrfs appended nothing")
	}
}

// TestAccess checks the words for what keeps a program from the driver.
func TestAccess(t *testing.T) {
	const sysctl = "/proc/sys/kernel/io_uring_disabled"
	must(t, os.WriteFile(sysctl, []byte("2"), 0))
	_, err := OpenControl()
	must(t, os.WriteFile(sysctl, []byte("0"), 0))
	if !errors.Is(err, ErrIOUringDisabled) {
		t.Errorf("io_uring disabled: %v", err)
	}
	cmd := exec.Command("/proc/self/exe")
	cmd.Env = append(os.Environ(), envStart+"=0 1")
	cmd.SysProcAttr = &syscall.SysProcAttr{Credential: &syscall.Credential{Uid: 65534, Gid: 65534}}
	if out, err := cmd.CombinedOutput(); err == nil || !strings.Contains(string(out), ErrPermission.Error()) {
		t.Errorf("as nobody: %v %s", err, out)
	}
}
