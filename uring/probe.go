package uring

import "unsafe"

// probeOps is the room for answers in one probe; the kernel knows 256 codes at most.
const probeOps = 256

// probeHeader is struct io_uring_probe without its array.
type probeHeader struct {
	lastOp, opsLen uint8
	_              uint16
	_              [3]uint32
}

// probeOp is struct io_uring_probe_op.
type probeOp struct {
	op, _ uint8
	flags uint16
	_     uint32
}

// Probe is the set of operations the running kernel knows.
type Probe struct {
	known [probeOps]bool
}

// Supports says whether the kernel knows op.
func (p *Probe) Supports(op Op) bool { return p.known[op] }

// Probe asks the kernel which operations it knows.
func (r *Ring) Probe() (*Probe, error) {
	var arg struct {
		head probeHeader
		ops  [probeOps]probeOp
	}
	if _, err := r.register("probe", registerProbe, unsafe.Pointer(&arg), probeOps); err != nil {
		return nil, err
	}
	const supported = 1 << 0 // IO_URING_OP_SUPPORTED
	p := new(Probe)
	for _, o := range arg.ops[:arg.head.opsLen] {
		p.known[o.op] = o.flags&supported != 0
	}
	return p, nil
}
