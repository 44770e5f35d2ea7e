// SPDX-License-Identifier: Apache-2.0

package uring_test

import (
	"fmt"
	"os"
	"runtime"

	"zqublkd/uring"
)

// A ring writes a file and syncs it, one after the other, with one call into the
// kernel.
func Example() {
	runtime.LockOSThread() // the ring is this thread's
	defer runtime.UnlockOSThread()
	ring, err := uring.New(uring.Options{Entries: 4, Flags: uring.SetupSingleIssuer | uring.SetupDeferTaskrun})
	if err != nil {
		fmt.Println(err)
		return
	}
	defer ring.Close()
	mem, err := uring.NewMem(4096) // stays where it is while the kernel reads it
	if err != nil {
		fmt.Println(err)
		return
	}
	defer mem.Free()
	f, err := os.CreateTemp("", "uring")
	if err != nil {
		fmt.Println(err)
		return
	}
	defer os.Remove(f.Name())
	defer f.Close()

	n := copy(mem.Bytes(), "hello")
	write := ring.Next()
	write.Write(int(f.Fd()), mem.Bytes()[:n], 0)
	write.UserData, write.Flags = 1, uring.IOLink // the next one waits for it
	sync := ring.Next()
	sync.Datasync(int(f.Fd()))
	sync.UserData = 2

	ring.Enter(2)
	for c, ok := ring.Reap(); ok; c, ok = ring.Reap() {
		fmt.Println("request", c.UserData, "result", c.Res)
	}
	// Output:
	// request 1 result 5
	// request 2 result 0
}
