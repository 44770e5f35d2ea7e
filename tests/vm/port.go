// SPDX-License-Identifier: Apache-2.0

package vm

import (
	"fmt"
	"os"

	"golang.org/x/sys/unix"
)

// port is one line between host and guest: a socket pair, one end given to the emulator.
type port struct {
	name string
	host *os.File // non-blocking, in the runtime's poller: Close interrupts a Read
	vm   *os.File // the emulator's end, closed here once it has started
}

func openPort(name string) (*port, error) {
	fds, err := unix.Socketpair(unix.AF_UNIX, unix.SOCK_STREAM|unix.SOCK_CLOEXEC, 0)
	if err != nil {
		return nil, fmt.Errorf("socket pair for port %s: %w", name, err)
	}
	if err := unix.SetNonblock(fds[0], true); err != nil {
		return nil, err
	}
	return &port{name, os.NewFile(uintptr(fds[0]), name), os.NewFile(uintptr(fds[1]), name)}, nil
}

// ports of a machine, in the order of the emulator's inherited descriptors.
type ports []*port

// Names of the ports; the guest finds the virtio ones by them. The console is a plain serial line:
// it has the kernel's last words when nothing else works any more.
const (
	portStdout  = "stdout"
	portStderr  = "stderr"
	portKernel  = "kernel"
	portFiles   = "files"
	portControl = "control"
	portConsole = "console"
)

func openPorts() (ports, error) {
	var opened ports
	for _, name := range []string{portStdout, portStderr, portKernel, portFiles, portControl, portConsole} {
		p, err := openPort(name)
		if err != nil {
			opened.close()
			return nil, err
		}
		opened = append(opened, p)
	}
	return opened, nil
}

func (ps ports) host(name string) *os.File {
	for _, p := range ps {
		if p.name == name {
			return p.host
		}
	}
	return nil
}

// handOver lists the emulator's ends.
func (ps ports) handOver() []*os.File {
	var files []*os.File
	for _, p := range ps {
		files = append(files, p.vm)
	}
	return files
}

// started closes the emulator's ends here, so that its exit is seen as end of file.
func (ps ports) started() {
	for _, p := range ps {
		p.vm.Close()
	}
}

func (ps ports) close() {
	for _, p := range ps {
		p.host.Close()
		p.vm.Close()
	}
}
