// SPDX-License-Identifier: Apache-2.0

// Package uring is a small binding of io_uring for programs that own their rings thread by thread:
// setup, submission and completion queues, typed SQEs, registration and both ways of entering the
// kernel.
//
// # Invariants
//
//   - A Ring belongs to one thread at a time. With SetupSingleIssuer it belongs to the thread that
//     made it, for life: call runtime.LockOSThread before New and use the ring nowhere else.
//     Nothing in here locks.
//   - What the kernel reads or writes after a call has returned (buffers, timespecs, command
//     payloads) must stay where it is until the completion arrives. Take it from Mem, which is
//     mapped memory the garbage collector doesn't know.
//   - An SQE handed out by Next is zeroed and belongs to the caller until the next call that enters
//     the kernel. The kernel copies it at submission (IORING_FEAT_SUBMIT_STABLE), after which the
//     slot is reused.
//   - With SetupDeferTaskrun completions are posted only inside an enter that asks for events.
//     Every enter here does.
//
// # What a ring knows
//
// A ring can be told of files and memory (RegisterFixedFiles, RegisterFixedBuffer). It holds its
// own reference to a file then, which no close(2) of ours ends: only UnregisterFixedFiles does at
// once, and the ring's own end some time after Close.
//
// # Two ways in
//
// EnterRaw doesn't tell the Go scheduler that the thread may sleep. It is the fast way for a thread
// whose whole life is its ring, and it keeps that thread's P while it sleeps: a program that uses
// it must have processors to spare and must answer an interrupted, empty-handed EnterRaw by one
// Enter, which gives the P back. Signal-based preemption (SIGURG) is what interrupts it, so it must
// not be used with GODEBUG=asyncpreemptoff=1.
//
// Facts come from include/uapi/linux/io_uring.h and io_uring/*.c of Linux 6.12 and 7.3.
package uring
