// SPDX-License-Identifier: Apache-2.0

package vm

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"time"
)

// Accelerator is what carries out a machine's instructions.
type Accelerator struct {
	KVM bool
	Why string // it is not KVM
}

// String is for people, as in a table of figures.
func (a Accelerator) String() string {
	if a.KVM {
		return "KVM"
	}
	return "QEMU software emulation"
}

// accelEnv settles the matter for the processes of one run: kvm, or tcg.
const accelEnv = "ZQUBLKD_VM_ACCEL"

// ThisHost is what machines run on here. It is found out once in a process, by a machine of a few
// bytes: that /dev/kvm exists says nothing of whether anything runs on it (nested, filtered, busy).
// Where it does not, a line on stderr says why.
var ThisHost = sync.OnceValue(func() Accelerator {
	switch os.Getenv(accelEnv) {
	case "kvm":
		return Accelerator{KVM: true}
	case "tcg":
		return Accelerator{Why: accelEnv + "=tcg"}
	}
	a := probe("/dev/kvm", emulatorName, probeLimit)
	if !a.KVM {
		fmt.Fprintf(os.Stderr, "vm: machines are emulated, which is slow: %s\n", a.Why)
	}
	return a
})

const probeLimit = 10 * time.Second

// probe starts a machine on KVM whose whole program is to end it with a certain status.
func probe(node, program string, limit time.Duration) Accelerator {
	f, err := os.OpenFile(node, os.O_RDWR, 0)
	if err != nil {
		return Accelerator{Why: fmt.Sprintf("no KVM: %v", err)}
	}
	f.Close()
	if err := tinyMachine(program, "kvm", limit); err != nil {
		return Accelerator{Why: fmt.Sprintf("%s is there, but a machine of a few bytes does not run on it: %v", node, err)}
	}
	return Accelerator{KVM: true}
}

// The tiny machine's last word to the device that ends QEMU, and the exit status QEMU makes of it.
const (
	lastWord   = 0x10
	lastStatus = lastWord<<1 | 1
)

// tinyROM is a firmware: at the address where a processor begins, 16 bytes below its end,
//
//	mov dx, 0xf4; mov al, lastWord; out dx, al; hlt; jmp to the hlt
func tinyROM() []byte {
	rom := bytes.Repeat([]byte{0xf4}, 64<<10)
	copy(rom[len(rom)-16:], []byte{0xba, 0xf4, 0x00, 0xb0, lastWord, 0xee, 0xf4, 0xeb, 0xfd})
	return rom
}

func tinyMachine(program, accel string, limit time.Duration) error {
	dir, err := os.MkdirTemp("", "zqublkd-probe-")
	if err != nil {
		return err
	}
	defer os.RemoveAll(dir)
	rom := filepath.Join(dir, "rom")
	if err := os.WriteFile(rom, tinyROM(), 0o600); err != nil {
		return err
	}
	ctx, cancel := context.WithTimeout(context.Background(), limit)
	defer cancel()
	cmd := exec.CommandContext(ctx, program, "-nodefaults", "-no-user-config", "-display", "none", "-no-reboot",
		"-machine", "q35", "-accel", accel, "-cpu", "max", "-m", "16", "-bios", rom,
		"-device", "isa-debug-exit,iobase=0xf4,iosize=4")
	cmd.WaitDelay = time.Second
	said, err := cmd.CombinedOutput()
	var exit *exec.ExitError
	switch {
	case ctx.Err() != nil:
		return fmt.Errorf("it has not ended after %v", limit)
	case errors.As(err, &exit) && exit.ExitCode() == lastStatus:
		return nil
	case err == nil:
		err = errors.New("exit status 0")
	}
	first, _, _ := strings.Cut(strings.TrimSpace(string(said)), "\n")
	return fmt.Errorf("%w: %s", err, first)
}

// args are QEMU's options for it.
func (a Accelerator) args() []string {
	if a.KVM {
		return []string{"-accel", "kvm", "-cpu", "max"}
	}
	// The fast string instructions are slow in emulation, and the kernel patches itself to use
	// them.
	return []string{"-accel", "tcg,thread=multi", "-cpu", "max,erms=off,fsrm=off"}
}
