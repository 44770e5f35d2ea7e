// SPDX-License-Identifier: Apache-2.0

package ublk

import (
	"errors"
	"fmt"
	"os"
	"runtime"
	"strings"
	"unsafe"

	"golang.org/x/sys/unix"
)

// Serve makes queue qid on a thread of its own, calls ready (which may keep the queue for Wake),
// and runs it to its end. It returns when the queue is closed; after an error the process should
// end.
func (d *Device) Serve(qid int, o QueueOptions, h Handler, ready func(*Queue)) error {
	ended := make(chan error, 1)
	go onOwnThread(func() { ended <- d.serve(qid, o, h, ready) })
	return <-ended
}

// onOwnThread calls f on a thread that ends with the calling goroutine: Linux 6.12 gives a device
// to the next server only when the threads of the last one are gone. The first thread of a process
// never goes, and its name is that of the process.
func onOwnThread(f func()) {
	runtime.LockOSThread() // and never unlocked, but for the first one
	if unix.Gettid() != unix.Getpid() {
		f()
		return
	}
	// Held until f is done, this thread can't be what f gets.
	done := make(chan struct{})
	go onOwnThread(func() { defer close(done); f() })
	<-done
	runtime.UnlockOSThread()
}

// serve is Serve on the queue's thread.
func (d *Device) serve(qid int, o QueueOptions, h Handler, ready func(*Queue)) error {
	if err := o.CPUs.PinThread(); err != nil {
		return err
	}
	nameThread(fmt.Sprintf("ublk%d q%d", d.info.ID, qid))
	q, err := d.NewQueue(qid, o)
	if err != nil {
		return err
	}
	if ready != nil {
		ready(q)
	}
	return errors.Join(q.Run(h), q.Close())
}

// nameThread is what top -H and ps -T call the calling thread; the kernel keeps 15 bytes of it.
func nameThread(name string) {
	b, err := unix.BytePtrFromString(name)
	if err == nil {
		_ = unix.Prctl(unix.PR_SET_NAME, uintptr(unsafe.Pointer(b)), 0, 0, 0)
	}
}

// spareProcs is how many processors (P) a program needs beside those its queues hold while they
// wait.
const spareProcs = 2

// ProcsFor is the GOMAXPROCS that a program with n queues needs to be quick: a raw wait keeps its
// P. With less it still works: waits that are interrupted give the P back.
func ProcsFor(queues int) int { return queues + spareProcs }

// EnsureProcs raises GOMAXPROCS to ProcsFor(queues) if it is lower, and returns what is in force.
func EnsureProcs(queues int) int {
	n := runtime.GOMAXPROCS(0)
	if need := ProcsFor(queues); n < need {
		runtime.GOMAXPROCS(need)
		return need
	}
	return n
}

// preemptionOff says that this process was started without signals for preemption.
func preemptionOff() bool { return strings.Contains(os.Getenv("GODEBUG"), "asyncpreemptoff=1") }
