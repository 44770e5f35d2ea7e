// SPDX-License-Identifier: Apache-2.0

package ublktest

import (
	"context"
	"fmt"
	"slices"
	"sync"

	"golang.org/x/sys/unix"

	"zqublkd/ublk"
)

// Control stands in for the driver's control node: devices are added, started, lose their server,
// get a new one and go, as the kernel's do, and their queues are served to a Driver each. Its
// methods may be called from any goroutine.
type Control struct {
	features ublk.Features

	mu      sync.Mutex
	devices map[uint32]*device
	calls   []string
	before  func(call string, id uint32) error
	drivers []*Driver
}

// device is the kernel's side of one device.
type device struct {
	info       ublk.DevInfo
	driver     *Driver
	recovering bool // START_USER_RECOVERY was answered
	sectors    uint64
}

// NewControl makes a control node of a kernel with the given features.
func NewControl(has ublk.Features) *Control {
	return &Control{features: has, devices: map[uint32]*device{}}
}

// Before has f asked before each call; its error becomes that of the call, which then has no
// effect.
func (c *Control) Before(f func(call string, id uint32) error) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.before = f
}

// Calls are the calls so far that change a device, each as "ADD_DEV 3".
func (c *Control) Calls() []string {
	c.mu.Lock()
	defer c.mu.Unlock()
	return slices.Clone(c.calls)
}

// Requests is the device's side where requests are put; nil if there is no such device.
func (c *Control) Requests(id uint32) *Driver {
	c.mu.Lock()
	defer c.mu.Unlock()
	if d := c.devices[id]; d != nil {
		return d.driver
	}
	return nil
}

// call begins a call on a device that must exist. The caller unlocks mu, also after an error.
func (c *Control) call(name string, id uint32) (*device, error) {
	c.mu.Lock()
	if before := c.before; before != nil {
		c.mu.Unlock() // it may look at the rest
		err := before(name, id)
		c.mu.Lock()
		if err != nil {
			return nil, err
		}
	}
	c.calls = append(c.calls, fmt.Sprintf("%s %d", name, id))
	if d := c.devices[id]; d != nil {
		return d, nil
	}
	return nil, fmt.Errorf("%s of device %d: %w", name, id, unix.ENODEV)
}

// Features are those the control node was made with.
func (c *Control) Features() (ublk.Features, error) { return c.features, nil }

// AddDevice makes a device, which is dead until it is started.
func (c *Control) AddDevice(o ublk.AddOptions) (ublk.DevInfo, error) {
	old, err := c.call("ADD_DEV", uint32(o.ID))
	defer c.mu.Unlock()
	if old != nil {
		return ublk.DevInfo{}, fmt.Errorf("ADD_DEV of device %d: %w", o.ID, unix.EEXIST)
	}
	if !ublk.IsNoDevice(err) {
		return ublk.DevInfo{}, err
	}
	d := &device{}
	if err := c.renew(d, o.Queues, o.Depth, (o.Flags|o.Optional)&c.features); err != nil {
		return ublk.DevInfo{}, err
	}
	d.info = d.driver.info
	d.info.ID, d.info.UserFlags = uint32(o.ID), o.UserFlags
	c.devices[d.info.ID] = d
	return d.info, nil
}

// renew gives a device a driver that no queue has fetched from.
func (c *Control) renew(d *device, queues, depth uint16, flags ublk.Features) (err error) {
	if d.driver, err = New(queues, depth, flags); err == nil {
		c.drivers = append(c.drivers, d.driver)
	}
	return err
}

// SetParams accepts what the kernel would.
func (c *Control) SetParams(id uint32, p *ublk.Params) error {
	d, err := c.call("SET_PARAMS", id)
	defer c.mu.Unlock()
	if err != nil {
		return err
	}
	d.sectors = p.DevSectors
	return p.ValidateFor(d.info)
}

// UpdateSize gives a live disk another size, if the device was added for that.
func (c *Control) UpdateSize(id uint32, sectors uint64) error {
	d, err := c.call("UPDATE_SIZE", id)
	defer c.mu.Unlock()
	switch {
	case err != nil:
		return err
	case d.info.State != ublk.StateLive || !d.info.Flags.Has(ublk.FeatureUpdateSize):
		return fmt.Errorf("UPDATE_SIZE of device %d, which is %v: %w", id, d.info.State, unix.ENODEV)
	}
	d.sectors = sectors
	return nil
}

// Sectors is the size of a disk as its users see it.
func (c *Control) Sectors(id uint32) uint64 {
	c.mu.Lock()
	defer c.mu.Unlock()
	if d := c.devices[id]; d != nil {
		return d.sectors
	}
	return 0
}

// DeviceInfo is the device as the driver knows it.
func (c *Control) DeviceInfo(id uint32) (ublk.DevInfo, error) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if d := c.devices[id]; d != nil {
		return d.info, nil
	}
	return ublk.DevInfo{}, fmt.Errorf("device %d: %w", id, unix.ENODEV)
}

// QueueAffinity is not known here.
func (c *Control) QueueAffinity(id uint32, q int) (ublk.CPUSet, error) {
	return nil, fmt.Errorf("CPUs of queue %d of device %d: %w", q, id, unix.EOPNOTSUPP)
}

// Knows reports whether there is a device of that number.
func (c *Control) Knows(id uint32) bool {
	_, err := c.DeviceInfo(id)
	return err == nil
}

// OpenDevice opens the char device.
func (c *Control) OpenDevice(i ublk.DevInfo) (*ublk.Device, error) {
	d, err := c.call("open", i.ID)
	defer c.mu.Unlock()
	if err != nil {
		return nil, err
	}
	return ublk.NewFakeDevice(i, d.driver), nil
}

// Attach tells the device of a queue that is going to run.
func (c *Control) Attach(id uint32, q *ublk.Queue) {
	if d := c.Requests(id); d != nil {
		d.Attach(q)
	}
}

// Start makes a device live.
func (c *Control) Start(id uint32) (took string, err error) {
	d, err := c.call("START_DEV", id)
	defer c.mu.Unlock()
	if err != nil {
		return "", err
	}
	d.info.State = ublk.StateLive
	return "0s", nil
}

// WaitForDisk finds the disk of a device that is live.
func (c *Control) WaitForDisk(_ context.Context, id uint32) error {
	_, err := c.call("wait for the disk", id)
	defer c.mu.Unlock()
	return err
}

// SetScheduler does nothing.
func (c *Control) SetScheduler(_ context.Context, id uint32, _ string) error {
	_, err := c.call("set the scheduler", id)
	defer c.mu.Unlock()
	return err
}

// Kill is the death of a device's server: its queues end. A device with recovery waits for the next
// server, another is dead.
func (c *Control) Kill(id uint32) {
	c.mu.Lock()
	defer c.mu.Unlock()
	d := c.devices[id]
	d.driver.Stop()
	d.info.State = ublk.StateDead
	if d.info.Flags.Has(ublk.FeatureRecovery) {
		d.info.State = ublk.StateQuiesced
	}
}

// StartRecovery begins to give a quiesced device a new server.
func (c *Control) StartRecovery(id uint32) error {
	d, err := c.call("START_USER_RECOVERY", id)
	defer c.mu.Unlock()
	switch {
	case err != nil:
		return err
	case d.info.State != ublk.StateQuiesced:
		return fmt.Errorf("START_USER_RECOVERY of device %d, which is %v: %w", id, d.info.State, unix.EBUSY)
	}
	d.recovering = true
	return c.renew(d, d.info.Queues, d.info.Depth, d.info.Flags)
}

// EndRecovery sets the device going again.
func (c *Control) EndRecovery(id uint32, pid int) error {
	d, err := c.call("END_USER_RECOVERY", id)
	defer c.mu.Unlock()
	switch {
	case err != nil:
		return err
	case !d.recovering:
		return fmt.Errorf("END_USER_RECOVERY of device %d before START_USER_RECOVERY: %w", id, unix.EINVAL)
	}
	d.recovering, d.info.State, d.info.ServerPID = false, ublk.StateLive, int32(pid)
	return nil
}

// StopDevice takes the disk away.
func (c *Control) StopDevice(id uint32) error {
	d, err := c.call("STOP_DEV", id)
	defer c.mu.Unlock()
	if err == nil {
		d.driver.Stop()
		d.info.State = ublk.StateDead
	}
	return err
}

// DeleteDeviceAsync stops and deletes a device.
func (c *Control) DeleteDeviceAsync(id uint32) error {
	d, err := c.call("DEL_DEV_ASYNC", id)
	defer c.mu.Unlock()
	if err == nil {
		d.driver.Stop()
		delete(c.devices, id)
	}
	return err
}

// Close does nothing: each process of a test has the one control node open.
func (c *Control) Close() error { return nil }

// End gives back what the devices need. All servers must have ended.
func (c *Control) End() (faults error) {
	for _, d := range c.drivers {
		if err := d.Close(); err != nil {
			faults = err
		}
	}
	return faults
}
