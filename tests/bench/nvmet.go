// SPDX-License-Identifier: Apache-2.0

package main

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"time"
)

const (
	nvmet  = "/sys/kernel/config/nvmet/"
	system = nvmet + "subsystems/bench"
	space  = system + "/namespaces/1"
	port   = nvmet + "ports/1"
	link   = port + "/subsystems/bench"
	hostID = "4c1c7e7e-6a5b-4d0f-9c3a-0d5f9a3b7e11"
)

// nvmeTarget is an NVMe target of this machine with a block device as its
// namespace.
type nvmeTarget struct{ file *os.File } // the namespace's character device

// attach makes dev a namespace.
func attach(dev string) (*nvmeTarget, error) {
	for _, step := range []struct{ path, value string }{
		{system, ""}, {system + "/attr_allow_any_host", "1"}, {space, ""}, {space + "/device_path", dev},
		{space + "/enable", "1"},
		{port, ""}, {port + "/addr_trtype", "loop"},
	} {
		var err error
		if step.value == "" {
			err = os.Mkdir(step.path, 0o755)
		} else {
			err = os.WriteFile(step.path, []byte(step.value), 0)
		}
		if err != nil {
			return nil, fmt.Errorf("NVMe target of %s: %w", dev, err)
		}
	}
	if err := os.Symlink(system, link); err != nil {
		return nil, err
	}
	_, err := output("nvme", "connect", "-t", "loop", "-n", "bench", "--hostnqn=nqn.2014-08.org.nvmexpress:uuid:"+hostID, "--hostid="+hostID)
	if err != nil {
		return nil, err
	}
	return openSpace()
}

// openSpace waits for the namespace: its scan goes on after the connect.
func openSpace() (*nvmeTarget, error) {
	for range 100 {
		if found, _ := filepath.Glob("/dev/ng*n1"); len(found) == 1 {
			f, err := os.OpenFile(found[0], os.O_RDWR, 0)
			return &nvmeTarget{f}, err
		}
		time.Sleep(50 * time.Millisecond)
	}
	return nil, errors.New("the NVMe namespace does not appear")
}

func (t *nvmeTarget) detach() error {
	t.file.Close()
	if _, err := output("nvme", "disconnect", "-n", "bench"); err != nil {
		return err
	}
	return errors.Join(os.Remove(link), os.Remove(port), os.Remove(space), os.Remove(system))
}
