package allocator

import (
	"fmt"
	"math/rand/v2"
	"slices"
	"sync"
)

// Ports gives out node ports of a range. It lives in memory: the Services say
// at start which ports are taken.
type Ports struct {
	min, max int
	// mu guards used.
	mu   sync.Mutex
	used map[int]bool
}

// NewPorts gives the ports from min to max, all of them free.
func NewPorts(min, max int) *Ports {
	return &Ports{min: min, max: max, used: map[int]bool{}}
}

// Allocate takes one port.
func (p *Ports) Allocate(port int) error {
	if port < p.min || port > p.max {
		return fmt.Errorf("provided port is not in the valid range. The range of valid ports is %d-%d", p.min, p.max)
	}
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.used[port] {
		return ErrPortAllocated
	}
	p.used[port] = true
	return nil
}

// AllocateNext takes a free port, one above the band for named ports while
// there are any.
func (p *Ports) AllocateNext() (int, error) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.max < p.min {
		return 0, ErrFull
	}
	size := p.max - p.min + 1
	offset := int(band(uint64(size), 16, 128, 32))
	port, ok := p.free(p.min+offset, size-offset)
	if !ok {
		port, ok = p.free(p.min, offset)
	}
	if !ok {
		return 0, ErrFull
	}
	p.used[port] = true
	return port, nil
}

func (p *Ports) free(first, n int) (int, bool) {
	if n <= 0 {
		return 0, false
	}
	start := rand.IntN(n)
	for i := range n {
		if port := first + (start+i)%n; !p.used[port] {
			return port, true
		}
	}
	return 0, false
}

// Has tells whether a port is taken.
func (p *Ports) Has(port int) bool {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.used[port]
}

// Release gives a port back; one that is free or of another range is no error.
func (p *Ports) Release(port int) {
	p.mu.Lock()
	defer p.mu.Unlock()
	delete(p.used, port)
}

// Operation is the ports that one write takes and gives back: nothing of it
// lasts until Commit, and Revert undoes it.
type Operation struct {
	ports  *Ports
	dryRun bool
	// taken were allocated by this operation, released go back with Commit.
	taken, released []int
}

// Begin starts an operation. A dry run answers as a real one would and takes
// nothing.
func (p *Ports) Begin(dryRun bool) *Operation { return &Operation{ports: p, dryRun: dryRun} }

// Allocate takes one port.
func (o *Operation) Allocate(port int) error {
	if o.dryRun {
		if o.ports.Has(port) || slices.Contains(o.taken, port) {
			return ErrPortAllocated
		}
	} else if err := o.ports.Allocate(port); err != nil {
		return err
	}
	o.taken = append(o.taken, port)
	return nil
}

// dryRunPort is where a dry run begins to count: above the default range, so
// that nobody takes the answer for a real port.
const dryRunPort = 32768

// AllocateNext takes a free port.
func (o *Operation) AllocateNext() (int, error) {
	var port int
	var err error
	if o.dryRun {
		port = o.dryRunNext()
	} else if port, err = o.ports.AllocateNext(); err != nil {
		return 0, err
	}
	o.taken = append(o.taken, port)
	return port, nil
}

func (o *Operation) dryRunNext() int {
	if len(o.taken) == 0 {
		return dryRunPort + 1
	}
	return slices.Max(o.taken) + 1
}

// Release gives a port back when the operation is committed.
func (o *Operation) Release(port int) { o.released = append(o.released, port) }

// Commit makes the operation last.
func (o *Operation) Commit() { o.giveBack(o.released) }

// Revert gives back what the operation took.
func (o *Operation) Revert() { o.giveBack(o.taken) }

func (o *Operation) giveBack(ports []int) {
	if !o.dryRun {
		for _, port := range ports {
			o.ports.Release(port)
		}
	}
	o.taken, o.released = nil, nil
}
