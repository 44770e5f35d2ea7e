// SPDX-License-Identifier: Apache-2.0

package ublk

import (
	"errors"
	"fmt"
	"sync"
	"time"

	"golang.org/x/sys/unix"
)

// openPatience is how long OpenDevice waits for udev to make the node, or for somebody who looks at
// it to close it.
var openPatience = 5 * time.Second

const openPause = 20 * time.Millisecond

// ErrServed says that another process has the char device open: it serves the device.
var ErrServed = errors.New("another process serves this device")

// Device is the open char device of a server. The kernel lets one process open it, and takes its
// disk away when the last queue is closed and Close is called.
type Device struct {
	info DevInfo
	fd   int
	fake Backend // nil: the kernel

	mu     sync.Mutex // guards what follows; Queue.Quit is called under it
	queues []*Queue
	quit   bool
}

// OpenDevice opens the char device of info for serving. The process that calls it is the one to
// name in StartDevice. ErrServed is returned if another process keeps it open, fs.ErrNotExist if no
// node appears, each after a few seconds.
func OpenDevice(info DevInfo) (*Device, error) {
	if info.Queues == 0 || info.Depth == 0 || !info.Flags.Has(FeatureUserCopy) {
		return nil, fmt.Errorf("open %s: not a device this package can serve: %s", info.CharPath(), info)
	}
	if info.DescBytes > IODescBytes {
		return nil, fmt.Errorf("open %s: request descriptors of %d bytes are not known here, only %d", info.CharPath(), info.DescBytes, IODescBytes)
	}
	deadline := time.Now().Add(openPatience)
	for {
		// Without O_NONBLOCK the ring would run every copy on a kernel worker thread.
		fd, err := unix.Open(info.CharPath(), unix.O_RDWR|unix.O_NONBLOCK|unix.O_CLOEXEC, 0)
		switch {
		case err == nil:
			return &Device{info: info, fd: fd}, nil
		case err != unix.ENOENT && err != unix.EBUSY && err != unix.EINTR || time.Now().After(deadline):
			return nil, openError(info, err)
		}
		time.Sleep(openPause)
	}
}

// openError puts words to why the char device can't be opened.
func openError(info DevInfo, err error) error {
	if err == unix.EBUSY {
		return fmt.Errorf("open %s: %w", info.CharPath(), ErrServed)
	}
	return fmt.Errorf("open %s: %w", info.CharPath(), err)
}

// Close closes the char device. All queues must be closed before: the kernel keeps the device while
// one of them is mapped.
func (d *Device) Close() error {
	if d.fd < 0 || d.fake != nil {
		return nil
	}
	fd := d.fd
	d.fd = -1
	return unix.Close(fd)
}

// adopt takes note of a queue, for Quit.
func (d *Device) adopt(q *Queue) {
	d.mu.Lock()
	defer d.mu.Unlock()
	d.queues = append(d.queues, q)
	if d.quit {
		q.Quit()
	}
}

// Quit calls Queue.Quit for all queues, those made later included. Call it after StopDevice: a
// queue that had not fetched its tags when the device was stopped is not told by Linux 6.12.
func (d *Device) Quit() {
	d.mu.Lock()
	defer d.mu.Unlock()
	d.quit = true
	for _, q := range d.queues {
		q.Quit()
	}
}
