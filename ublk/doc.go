// SPDX-License-Identifier: Apache-2.0

// Package ublk serves block devices in user space through Linux's ublk driver: control commands,
// parameters and features, the life cycle of a device, and the queues its requests come through. It
// is made for zoned devices with user copy (UBLK_F_ZONED|UBLK_F_USER_COPY) on Linux 6.12 and 7.3,
// and serves plain ones the same way.
//
// # Life of a device
//
//	control, err := ublk.OpenControl()
//	info, err := control.AddDevice(..)         // read back what was granted
//	err = control.SetParams(info.ID, params)
//	device, err := ublk.OpenDevice(info)
//	go device.Serve(0, .., handler, ..)        // one goroutine per queue
//	                                           // in another process, with the server's pid:
//	                                           // control.StartDevice(info.ID, pid)
//	err = ublk.WaitForDisk(ctx, info.ID)
//	err = ublk.SetScheduler(ctx, info.ID, "none")
//	                                           // .. requests ..
//	err = control.StopDevice(info.ID)
//	device.Quit()                              // every Serve returns
//	err = device.Close()
//	err = control.DeleteDevice(info.ID)
//
// # Invariants
//
//   - A queue belongs to the thread that made it: ring, fetches, commits and waiting. Commits can't
//     come from another thread, because methods only write into memory that Run submits.
//   - The char device is opened O_NONBLOCK. Descriptor arrays are mapped read only, with their
//     exact length. Everything mapped is unmapped before the device is deleted: the kernel waits
//     for it. A queue's ring has the char device and the files of the image as fixed files; a queue
//     that has all its tags back gives them back before it closes the ring, which the kernel takes
//     down in its own time.
//   - A request is answered once, with all its bytes or an error number. Handlers that break this
//     panic, and the tag gets EIO.
//   - A queue ends when each of its tags came back with ENODEV, which counts requests the server
//     had to answer first.
//   - The kernel reads nothing asynchronously that lies on the Go heap or a stack.
//   - START_DEV is issued by another process than the server.
//   - No control command waits without a deadline.
//
// # Lock order
//
// Device.mu, then a queue's wake-up lock, which is held for one write to an eventfd. No lock is
// taken on the way of a request.
//
// Facts come from include/uapi/linux/ublk_cmd.h, include/uapi/linux/blkzoned.h and
// drivers/block/ublk_drv.c of both kernels.
package ublk
