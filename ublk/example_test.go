// SPDX-License-Identifier: Apache-2.0

package ublk_test

import (
	"fmt"
	"syscall"

	"zqublkd/ublk"
	"zqublkd/ublk/ublktest"
	"zqublkd/uring"
)

// ramDisk keeps its bytes in memory that the kernel copies from and to.
type ramDisk struct{ mem *uring.Mem }

func (d ramDisk) Request(q *ublk.Queue, tag uint16) {
	r := q.Desc(tag)
	if r.Op() == ublk.OpFlush {
		q.CompleteOK(tag)
		return
	}
	end := r.Offset() + r.Bytes()
	if end > uint64(len(d.mem.Bytes())) {
		q.Fail(tag, syscall.EIO)
		return
	}
	data := d.mem.Bytes()[r.Offset():end]
	switch r.Op() {
	case ublk.OpRead:
		q.CopyToRequest(tag, 1, 0, data)
	case ublk.OpWrite:
		q.CopyFromRequest(tag, 1, 0, data)
	default:
		q.Fail(tag, syscall.EOPNOTSUPP)
	}
}

// Done comes when the copy has ended: res is its length or -errno.
func (d ramDisk) Done(q *ublk.Queue, tag uint16, step uint8, res int32) {
	if res < 0 {
		q.Fail(tag, syscall.Errno(-res))
		return
	}
	q.CompleteOK(tag)
}

func (d ramDisk) Woken(*ublk.Queue) {}

// A disk in memory. Here the driver is a simulation; with the kernel's, the device
// comes from Control.AddDevice and OpenDevice, and Device.Serve runs each queue.
func Example() {
	mem, err := uring.NewMem(1 << 20)
	if err != nil {
		fmt.Println(err)
		return
	}
	defer mem.Free()
	s, err := ublktest.Serve(1, 4, 0, ublk.QueueOptions{}, ramDisk{mem})
	if err != nil {
		fmt.Println(err)
		return
	}
	block := make([]byte, 4096)
	copy(block, "hello")
	fmt.Println("wrote", s.Do(0, ublk.NewIODesc(ublk.OpWrite, 0, 8, 8), block).Result, "bytes")
	clear(block)
	fmt.Println("read", s.Do(0, ublk.NewIODesc(ublk.OpRead, 0, 8, 8), block).Result, "bytes:", string(block[:5]))
	fmt.Println("past the end:", s.Do(0, ublk.NewIODesc(ublk.OpRead, 0, 1<<20, 8), block).Errno())
	fmt.Println(s.End())
	// Output:
	// wrote 4096 bytes
	// read 4096 bytes: hello
	// past the end: input/output error
	// <nil>
}
