package admission

import (
	"bytes"
	"context"
	"sync"
	"sync/atomic"

	"pilothouse/backend/registry"

	"k8s.io/apimachinery/pkg/api/meta"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/util/managedfields"

	"pilothouse/backend/request"
	"pilothouse/backend/scheme"
)

// Plugin is one admission plugin: a Mutator, a Validator or both.
type Plugin interface {
	// Name is what --enable-admission-plugins calls it.
	Name() string
	// Handles tells whether the plugin has anything to do for an operation on a
	// resource or subresource. It depends on the plugin's code alone, so the
	// chain asks once.
	Handles(op Operation, e *registry.Entry, subresource string) bool
}

// Mutator changes what is about to be written, or refuses it with an API error.
type Mutator interface {
	Plugin
	Mutate(ctx context.Context, a *Attributes) error
}

// Validator refuses a write with an API error; it changes nothing.
type Validator interface {
	Plugin
	Validate(ctx context.Context, a *Attributes) error
}

// Chain calls plugins in order. Which of them have something to do is worked
// out once per operation and resource, so the others cost nothing.
type Chain struct {
	plugins []Plugin

	mu    sync.Mutex
	table atomic.Pointer[map[key]*steps]
}

type key struct {
	op          Operation
	version     *registry.Version
	subresource string
}

type steps struct {
	mutators   []timed[Mutator]
	validators []timed[Validator]
	admit      whole
	validate   whole
}

// New gives the chain of plugins in their order.
func New(plugins ...Plugin) *Chain {
	c := &Chain{plugins: plugins}
	c.table.Store(&map[key]*steps{})
	return c
}

// Names gives the plugins' names in order.
func (c *Chain) Names() []string {
	names := make([]string, 0, len(c.plugins))
	for _, p := range c.plugins {
		names = append(names, p.Name())
	}
	return names
}

// Mutates and Validates tell whether any plugin has something to do.
func (c *Chain) Mutates(op Operation, e *registry.Entry, subresource string) bool {
	return c != nil && len(c.steps(op, e, subresource).mutators) > 0
}

// Validates is Mutates for validators.
func (c *Chain) Validates(op Operation, e *registry.Entry, subresource string) bool {
	return c != nil && len(c.steps(op, e, subresource).validators) > 0
}

// Mutate calls the mutators in order, and once more from the start when one of
// them asks for it. managedFields that come out invalid are put back, with a
// warning to the client, as Kubernetes does.
func (c *Chain) Mutate(ctx context.Context, a *Attributes) error {
	if c == nil {
		return nil
	}
	of := c.steps(a.Operation, a.Entry, a.Subresource)
	if len(of.mutators) == 0 {
		return nil
	}
	before := managedFieldsOf(a)
	w, watch := newWitness(ctx, a, "Mutating admission", true), newStopwatch()
	err := mutate(ctx, a, of.mutators, &w, &watch)
	watch.end(&of.admit, err)
	w.end()
	if err != nil {
		return err
	}
	restoreManagedFields(ctx, a, before)
	return nil
}

func mutate(ctx context.Context, a *Attributes, mutators []timed[Mutator], w *witness, watch *stopwatch) error {
	for pass := 0; pass < 2; pass++ {
		for i := range mutators {
			m := &mutators[i]
			err := m.plugin.Mutate(ctx, a)
			watch.saw(m.accepted, m.rejected, err)
			w.saw(m.plugin.Name(), err)
			if err != nil {
				return err
			}
		}
		if !a.Reinvoke {
			break
		}
		a.Reinvoke, a.Reinvocation = false, true
	}
	return nil
}

// Validate calls the validators in order and gives the first refusal.
func (c *Chain) Validate(ctx context.Context, a *Attributes) (err error) {
	if c == nil {
		return nil
	}
	of := c.steps(a.Operation, a.Entry, a.Subresource)
	if len(of.validators) == 0 {
		return nil
	}
	w, watch := newWitness(ctx, a, "Validating admission", false), newStopwatch()
	for i := range of.validators {
		v := &of.validators[i]
		err = v.plugin.Validate(ctx, a)
		watch.saw(v.accepted, v.rejected, err)
		w.saw(v.plugin.Name(), err)
		if err != nil {
			break
		}
	}
	watch.end(&of.validate, err)
	w.end()
	return err
}

// maxSteps bounds the table: versions of custom resources come and go.
const maxSteps = 4096

func (c *Chain) steps(op Operation, e *registry.Entry, subresource string) *steps {
	k := key{op: op, version: e.Version, subresource: subresource}
	if s := (*c.table.Load())[k]; s != nil {
		return s
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	old := *c.table.Load()
	if s := old[k]; s != nil {
		return s
	}
	s := &steps{admit: newWhole(admit, op), validate: newWhole(validate, op)}
	for _, p := range c.plugins {
		if !p.Handles(op, e, subresource) {
			continue
		}
		if m, ok := p.(Mutator); ok {
			s.mutators = append(s.mutators, newTimed(m, admit, op))
		}
		if v, ok := p.(Validator); ok {
			s.validators = append(s.validators, newTimed(v, validate, op))
		}
	}
	table := make(map[key]*steps, len(old)+1)
	if len(old) < maxSteps {
		for k, v := range old {
			table[k] = v
		}
	}
	table[k] = s
	c.table.Store(&table)
	return s
}

func managedFieldsOf(a *Attributes) []metav1.ManagedFieldsEntry {
	m, err := meta.Accessor(a.Object)
	if a.Object == nil || err != nil {
		return nil
	}
	return append([]metav1.ManagedFieldsEntry(nil), scheme.ManagedFields(m)...)
}

func restoreManagedFields(ctx context.Context, a *Attributes, before []metav1.ManagedFieldsEntry) {
	if a.Object == nil {
		return
	}
	m, err := meta.Accessor(a.Object)
	if err != nil {
		return
	}
	after := scheme.ManagedFields(m)
	if sameEntries(before, after) {
		return
	}
	if err := managedfields.ValidateManagedFields(after); err != nil {
		request.From(ctx).Warn(".metadata.managedFields was in an invalid state after admission; this could be caused by an outdated mutating admission controller; please fix your requests: " + err.Error())
		m.SetManagedFields(before)
	}
}

// sameEntries tells that nobody put other entries in.
func sameEntries(a, b []metav1.ManagedFieldsEntry) bool {
	if len(a) != len(b) {
		return false
	}
	for i := range a {
		if a[i] == b[i] {
			continue
		}
		// Those of a custom resource are made whenever they are asked for.
		x, y := a[i], b[i]
		same := x.Time.Equal(y.Time) && x.FieldsV1 != nil && y.FieldsV1 != nil && bytes.Equal(x.FieldsV1.Raw, y.FieldsV1.Raw)
		x.Time, x.FieldsV1, y.Time, y.FieldsV1 = nil, nil, nil, nil
		if !same || x != y {
			return false
		}
	}
	return true
}
