// SPDX-License-Identifier: Apache-2.0

package nvmet

import (
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"

	"golang.org/x/sys/unix"
)

// Root is where the kernel's NVMe target is configured.
const Root = "/sys/kernel/config/nvmet"

// Prefix of the names of our subsystems.
const Prefix = "nqn.2026-11.zqublkd:"

var (
	// ErrKernel means that this kernel, as it is, can share nothing.
	ErrKernel = errors.New("the kernel's NVMe target can't be used")
	// ErrShared means that the device is shared already, and not as is wanted.
	ErrShared = errors.New("it is shared already")
	// ErrSpec is a wrong address or host.
	ErrSpec = errors.New("can't be shared so")
	// ErrDisk is a disk that the target can't take.
	ErrDisk = errors.New("the kernel's NVMe target can't share it")
)

// Target is the NVMe target of a kernel.
type Target struct {
	root    string
	machine string // tells this machine's devices from others', in names
	load    func(module string) error
	tree    tree
}

// Kernel is the target of the running kernel.
func Kernel() *Target {
	return &Target{root: Root, machine: thisMachine(), load: modprobe, tree: files{}}
}

// thisMachine is a hash: systemd wants its machine ID not to be told to others.
func thisMachine() string {
	id, err := os.ReadFile("/etc/machine-id")
	if err != nil || len(id) == 0 {
		name, _ := os.Hostname()
		id = []byte(name)
	}
	sum := sha256.Sum256(append([]byte("zqublkd share "), id...))
	return hex.EncodeToString(sum[:6])
}

func modprobe(module string) error {
	out, err := exec.Command("modprobe", module).CombinedOutput()
	if err != nil {
		return fmt.Errorf("%w: no module %s (%s)", ErrKernel, module, strings.TrimSpace(string(out)+" "+err.Error()))
	}
	return nil
}

// open makes the target ready and takes its lock.
func (t *Target) open(modules ...string) (unlock func(), err error) {
	for _, m := range modules {
		if err := t.load(m); err != nil {
			return nil, err
		}
	}
	dir, err := os.Open(t.root)
	if errors.Is(err, os.ErrNotExist) {
		return nil, fmt.Errorf("%w: there is no %s: mount -t configfs none %s", ErrKernel, t.root, filepath.Dir(t.root))
	}
	if err != nil {
		return nil, err
	}
	if err := unix.Flock(int(dir.Fd()), unix.LOCK_EX); err != nil {
		dir.Close()
		return nil, fmt.Errorf("%s: %w", t.root, err)
	}
	return func() { dir.Close() }, nil
}

func (t *Target) subsystem(nqn string) string { return filepath.Join(t.root, "subsystems", nqn) }
func (t *Target) space(nqn string) string     { return filepath.Join(t.subsystem(nqn), "namespaces", "1") }
func (t *Target) allowed(nqn, host string) string {
	return filepath.Join(t.subsystem(nqn), "allowed_hosts", host)
}
func (t *Target) host(host string) string   { return filepath.Join(t.root, "hosts", host) }
func (t *Target) port(number string) string { return filepath.Join(t.root, "ports", number) }
func (t *Target) linked(number, nqn string) string {
	return filepath.Join(t.port(number), "subsystems", nqn)
}

// NQN is the name by which other machines know the device of a name.
func (t *Target) NQN(name string) string {
	var b strings.Builder
	for _, c := range []byte(name) {
		if strings.IndexByte("-._", c) >= 0 || '0' <= c && c <= '9' || 'a' <= c && c <= 'z' || 'A' <= c && c <= 'Z' {
			b.WriteByte(c)
			continue
		}
		fmt.Fprintf(&b, "%%%02X", c)
	}
	return Prefix + t.machine + ":" + b.String()
}

// identity is what a subsystem and its namespace say of themselves: the same at each share, so that
// a machine that comes back to it finds the disk it knew.
func identity(nqn string) (serial, uuid string) {
	sum := sha256.Sum256([]byte(nqn))
	u := sum[:16]
	u[6], u[8] = u[6]&0x0f|0x80, u[8]&0x3f|0x80 // version 8: made in a way of one's own
	return hex.EncodeToString(sum[16:26]), fmt.Sprintf("%x-%x-%x-%x-%x", u[:4], u[4:6], u[6:8], u[8:10], u[10:])
}
