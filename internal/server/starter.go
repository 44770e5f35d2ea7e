// SPDX-License-Identifier: Apache-2.0

package server

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"runtime"
	"strconv"
	"syscall"
	"time"

	"zqublkd/ublk"
)

// StarterVerb is the hidden verb under which the program starts a device for
// the daemon that serves it. The driver asks that daemon for the zones while
// it starts the device; had the daemon asked for the start itself and were
// killed at that moment, neither could ever end.
const StarterVerb = "start-device"

// startTimeout bounds START_DEV: the zone report is answered from memory.
const startTimeout = 30 * time.Second

// startDevice runs the starter for device id, served by this process. It returns
// how long the driver took.
func startDevice(id uint32) (took string, err error) {
	self, err := os.Executable()
	if err != nil {
		return "", err
	}
	ctx, cancel := context.WithTimeout(context.Background(), startTimeout+10*time.Second)
	defer cancel()
	cmd := exec.CommandContext(ctx, self, StarterVerb, strconv.FormatUint(uint64(id), 10), strconv.Itoa(os.Getpid()))
	var stdout, stderr bytes.Buffer
	cmd.Stdout, cmd.Stderr = &stdout, &stderr
	// It dies with us, or it would wait for requests that nobody will fetch. The
	// kernel's signal is about our thread, which must last as long.
	cmd.SysProcAttr = &syscall.SysProcAttr{Pdeathsig: syscall.SIGKILL}
	runtime.LockOSThread()
	defer runtime.UnlockOSThread()
	if err := cmd.Run(); err != nil {
		if text := bytes.TrimSpace(stderr.Bytes()); len(text) > 0 {
			err = errors.New(string(text))
		}
		return "", fmt.Errorf("start of device %d: %w", id, err)
	}
	return string(bytes.TrimSpace(stdout.Bytes())), nil
}

// StartFor is what the starter does: it tells the driver that process pid
// serves device id.
func StartFor(id uint32, pid int) error {
	c, err := ublk.OpenControl()
	if err != nil {
		return err
	}
	defer c.Close()
	return c.StartDevice(id, pid)
}
