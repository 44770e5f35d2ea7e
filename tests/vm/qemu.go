// SPDX-License-Identifier: Apache-2.0

package vm

import (
	"bytes"
	"errors"
	"fmt"
	"os/exec"
	"runtime"
	"strconv"
	"strings"
	"syscall"
	"time"
)

// kernelArgs: a short boot under emulation (no self tests, no mitigations, no lockup watchdog that
// an emulated CPU would trip), a log that holds a whole run, and an end instead of a reboot on
// panic.
const kernelArgs = "console=ttyS0 loglevel=4 printk.devkmsg=on log_buf_len=8M panic=-1 " +
	"mitigations=off tsc=reliable no_timer_check nokaslr rodata=off cryptomgr.notests " +
	"audit=0 apparmor=0 nowatchdog"

// systemdArgs: it is not to ask the console what kind of terminal it is.
const systemdArgs = " systemd.show_status=no systemd.firstboot=no systemd.tty.term.console=dumb " +
	"systemd.tty.rows.console=25 systemd.tty.columns.console=80"

func commandLine(c Config, a Accelerator) string {
	words := kernelArgs
	if khz := tscKHz(); !a.KVM && khz != 0 { // KVM has a clock for its guests
		words += " tsc_early_khz=" + strconv.Itoa(khz)
	}
	if c.Boot == BootSystemd {
		words += systemdArgs
	}
	return strings.TrimSpace(words + " " + c.Append)
}

// emulatorArgs is the command line of the machine, without the ports.
func emulatorArgs(c Config, im images, baggage string, a Accelerator) []string {
	args := append(a.args(),
		"-nodefaults", "-no-user-config", "-display", "none", "-no-reboot", "-machine", "q35",
		"-smp", strconv.Itoa(c.CPUs), "-m", strconv.Itoa(c.MemoryMiB),
		"-kernel", im.vmlinux, "-initrd", im.initrd, "-append", commandLine(c, a))
	for i, image := range []string{im.root, im.modules, baggage} {
		args = append(args, diskArgs("own"+strconv.Itoa(i), image, true)...)
	}
	for i, disk := range c.Disks {
		path, readOnly := strings.CutSuffix(disk, ":ro")
		args = append(args, diskArgs("disk"+strconv.Itoa(i), path, readOnly)...)
	}
	if c.Wire != nil {
		args = append(args, c.Wire.args()...)
	}
	return args
}

func diskArgs(id, path string, readOnly bool) []string {
	file := "if=none,format=raw,discard=unmap,id=" + id + ",file="
	if socket, ok := strings.CutPrefix(path, "nbd:"); ok {
		path, file = socket, "if=none,driver=raw,cache=none,id="+id+",file.driver=nbd,file.server.type=unix,file.server.path="
	}
	file += strings.ReplaceAll(path, ",", ",,")
	if readOnly {
		file += ",readonly=on"
	}
	return []string{"-drive", file, "-device", "virtio-blk-pci,drive=" + id + ",serial=" + id}
}

// portArgs gives the machine its ports; they are inherited from descriptor 3 on.
func portArgs(ps ports) []string {
	args := []string{"-device", "virtio-serial-pci"}
	for i, p := range ps {
		args = append(args, "-chardev", fmt.Sprintf("socket,id=%s,fd=%d", p.name, 3+i))
		if p.name == portConsole {
			args = append(args, "-serial", "chardev:"+p.name)
			continue
		}
		args = append(args, "-device", fmt.Sprintf("virtserialport,chardev=%s,name=%s", p.name, p.name))
	}
	return args
}

const emulatorName = "qemu-system-x86_64"

// emulator is a running QEMU.
type emulator struct {
	cmd    *exec.Cmd
	gone   chan struct{} // closed when it has exited
	words  bytes.Buffer  // what it said itself; read after gone
	result error
}

// startEmulator starts it so that it dies with this process: its thread is kept until it has
// exited, as the kernel's parent-death signal is about threads.
func startEmulator(args []string, ps ports) (*emulator, error) {
	e := &emulator{cmd: exec.Command(emulatorName, append(args, portArgs(ps)...)...), gone: make(chan struct{})}
	e.cmd.Stdout, e.cmd.Stderr = &e.words, &e.words
	e.cmd.ExtraFiles = ps.handOver()
	e.cmd.SysProcAttr = &syscall.SysProcAttr{Pdeathsig: syscall.SIGKILL, Setpgid: true}
	started := make(chan error)
	go func() {
		runtime.LockOSThread()
		err := e.cmd.Start()
		started <- err
		if err == nil {
			e.result = e.cmd.Wait()
			close(e.gone)
		}
	}()
	if err := <-started; err != nil {
		if errors.Is(err, exec.ErrNotFound) {
			return nil, fmt.Errorf("%w: %w", err, ErrNoCache)
		}
		return nil, err
	}
	ps.started()
	return e, nil
}

// stop ends the machine as a power cut would, after the images' writes so far; it waits for that.
func (e *emulator) stop() {
	e.cmd.Process.Signal(syscall.SIGTERM)
	select {
	case <-e.gone:
	case <-time.After(10 * time.Second):
		e.cmd.Process.Kill()
		<-e.gone
	}
}
