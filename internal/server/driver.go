// SPDX-License-Identifier: Apache-2.0

package server

import (
	"context"
	"slices"

	"zqublkd/ublk"
)

// driver is what the kernel's driver does for a daemon, and for a process that
// clears up after one. kernelDriver is the real one.
type driver interface {
	Features() (ublk.Features, error)
	AddDevice(o ublk.AddOptions) (ublk.DevInfo, error)
	SetParams(id uint32, p *ublk.Params) error
	DeviceInfo(id uint32) (ublk.DevInfo, error)
	QueueAffinity(id uint32, q int) (ublk.CPUSet, error)
	StartRecovery(id uint32) error
	EndRecovery(id uint32, pid int) error
	UpdateSize(id uint32, sectors uint64) error
	StopDevice(id uint32) error
	DeleteDeviceAsync(id uint32) error
	Close() error

	Knows(id uint32) bool                            // it has a device of that number, in whatever state
	OpenDevice(i ublk.DevInfo) (*ublk.Device, error) // opens the char device for serving
	Attach(id uint32, q *ublk.Queue)                 // is told of a queue that is going to run
	Start(id uint32) (took string, err error)        // makes the disk appear; the queues are served meanwhile
	WaitForDisk(ctx context.Context, id uint32) error
	SetScheduler(ctx context.Context, id uint32, name string) error
}

// opener opens the driver.
type opener func() (driver, error)

// kernelDriver is the driver behind /dev/ublk-control.
type kernelDriver struct{ *ublk.Control }

func openKernel() (driver, error) {
	c, err := ublk.OpenControl()
	if err != nil {
		return nil, err
	}
	return kernelDriver{c}, nil
}

func (kernelDriver) Knows(id uint32) bool {
	ids, err := ublk.ListDevices()
	return err == nil && slices.Contains(ids, id)
}

func (kernelDriver) OpenDevice(i ublk.DevInfo) (*ublk.Device, error) { return ublk.OpenDevice(i) }

func (kernelDriver) Attach(uint32, *ublk.Queue) {}

func (kernelDriver) Start(id uint32) (took string, err error) { return startDevice(id) }

func (kernelDriver) WaitForDisk(ctx context.Context, id uint32) error {
	err := ublk.WaitForDisk(ctx, id)
	if err == nil {
		waitForUdev(ctx, udevDir, ublk.BlockPath(id))
	}
	return err
}

func (kernelDriver) SetScheduler(ctx context.Context, id uint32, name string) error {
	return ublk.SetScheduler(ctx, id, name)
}
