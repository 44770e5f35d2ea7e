// SPDX-License-Identifier: Apache-2.0

package ublk

import (
	"encoding/binary"
	"errors"
	"fmt"
	"syscall"
	"time"
)

// AddOptions says what device AddDevice makes.
type AddOptions struct {
	ID         int32    // number of the device, -1: the driver chooses
	Queues     uint16   // hardware queues; the driver cuts them to the number of CPUs
	Depth      uint16   // tags of each queue
	MaxIOBytes uint32   // largest request; the driver rounds it down to whole pages
	Flags      Features // without one of these the device is of no use and is deleted again
	Optional   Features // wanted, done without where the kernel drops them: read DevInfo.Flags
	UserFlags  uint64   // kept by the driver for us
}

// Features asks what the driver can do. Kernels before 6.5 don't know the question: errors.Is(err,
// syscall.EOPNOTSUPP).
func (c *Control) Features() (Features, error) {
	var b [8]byte
	if err := c.do(cmdGetFeatures, ctrlCmd{devID: anyID, queue: noQueue}, b[:], c.timeout.quick); err != nil {
		return 0, err
	}
	return Features(binary.NativeEndian.Uint64(b[:])), nil
}

// AddDevice makes a device and returns it as the kernel granted it, which may be less than was
// asked for: queues, request size and optional flags. *MissingFeaturesError tells that a flag in
// o.Flags was refused.
func (c *Control) AddDevice(o AddOptions) (DevInfo, error) {
	id := anyID
	if o.ID >= 0 {
		id = uint32(o.ID)
	}
	want := DevInfo{Queues: o.Queues, Depth: o.Depth, MaxIOBytes: o.MaxIOBytes, ID: id, Flags: o.Flags | o.Optional,
		UserFlags: o.UserFlags}
	b := make([]byte, devInfoBytes)
	want.encode(b)
	if err := c.do(cmdAddDev, ctrlCmd{devID: id, queue: noQueue}, b, c.timeout.quick); err != nil {
		return DevInfo{}, err
	}
	info, err := DecodeDevInfo(b)
	if err != nil {
		return DevInfo{}, err
	}
	if missing := info.Flags.Missing(o.Flags); missing != 0 {
		return DevInfo{}, errors.Join(&MissingFeaturesError{Missing: missing, Granted: info.Flags},
			c.DeleteDevice(info.ID))
	}
	return info, nil
}

// SetParams describes the disk to the driver, after checking p against every rule known. The device
// must not be started.
func (c *Control) SetParams(id uint32, p *Params) error {
	info, err := c.DeviceInfo(id)
	if err != nil {
		return err
	}
	if err := p.ValidateFor(info); err != nil {
		return err
	}
	b := p.Encode()
	return c.do(cmdSetParams, ctrlCmd{devID: id, queue: noQueue}, b[:], c.timeout.quick)
}

// StartDevice makes the disk appear. It returns when all queues have fetched all tags and the
// kernel has read the zone report, so the queues must be served meanwhile. pid is the process that
// opened the char device.
//
// Issue it from a process other than pid: a server that is killed while it answers the report of
// its own START_DEV can't die, and blocks the driver until reboot.
func (c *Control) StartDevice(id uint32, pid int) error {
	return c.simple(cmdStartDev, id, uint64(pid), c.timeout.start)
}

// StopDevice removes the disk; every tag of every queue comes back with ENODEV. The requests the
// server holds must be answered for it to return. Stopping a device that isn't started succeeds.
func (c *Control) StopDevice(id uint32) error { return c.simple(cmdStopDev, id, 0, c.timeout.stop) }

// DeleteDevice stops and deletes a device. It returns when the number is free again: after its
// queues are unmapped, its char device is closed, and nobody has the disk open.
func (c *Control) DeleteDevice(id uint32) error { return c.simple(cmdDelDev, id, 0, c.timeout.del) }

// DeleteDeviceAsync is DeleteDevice that doesn't wait for those who still have it open.
func (c *Control) DeleteDeviceAsync(id uint32) error {
	return c.simple(cmdDelDevAsync, id, 0, c.timeout.del)
}

// StartRecovery tells the driver that a new server is coming. EBUSY means that the old one isn't
// gone yet: try again.
func (c *Control) StartRecovery(id uint32) error {
	return c.simple(cmdStartUserRecovery, id, 0, c.timeout.quick)
}

// EndRecovery sets the device going again with the process pid, when that has fetched all tags.
// Zones are not reported anew.
func (c *Control) EndRecovery(id uint32, pid int) error {
	return c.simple(cmdEndUserRecovery, id, uint64(pid), c.timeout.start)
}

// UpdateSize gives a started disk another size, in 512-byte sectors, and tells whoever uses it. It
// is for devices with FeatureUpdateSize, and not for zoned ones: their zones are not looked at
// again.
func (c *Control) UpdateSize(id uint32, sectors uint64) error {
	return c.simple(cmdUpdateSize, id, sectors, c.timeout.quick)
}

// DeviceInfo reads a device's state. IsNoDevice tells whether an error means that it doesn't exist.
func (c *Control) DeviceInfo(id uint32) (DevInfo, error) {
	b := make([]byte, devInfoBytes)
	if err := c.do(cmdGetDevInfo, ctrlCmd{devID: id, queue: noQueue}, b, c.timeout.quick); err != nil {
		return DevInfo{}, err
	}
	return DecodeDevInfo(b)
}

// QueueAffinity is the set of CPUs whose requests come through queue q.
func (c *Control) QueueAffinity(id uint32, q int) (CPUSet, error) {
	set := make(CPUSet, cpuSetBytes)
	err := c.do(cmdGetQueueAffinity, ctrlCmd{devID: id, queue: noQueue, data: uint64(q)}, set, c.timeout.quick)
	if err != nil {
		return nil, fmt.Errorf("CPUs of queue %d: %w", q, err)
	}
	return set, nil
}

// simple runs a command without a buffer.
func (c *Control) simple(op uint32, id uint32, data uint64, limit time.Duration) error {
	return c.do(op, ctrlCmd{devID: id, queue: noQueue, data: data}, nil, limit)
}

// IsBusy says whether err is the driver's EBUSY, which many commands answer while somebody else
// still holds the device.
func IsBusy(err error) bool { return errors.Is(err, syscall.EBUSY) }
