package admission

import (
	"bytes"
	"context"
	"encoding/json"

	"pilothouse/backend/diff"
	"pilothouse/backend/request"
	"pilothouse/backend/scheme"

	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/runtime"
)

// witness tells the life of a request what plugins did to its write.
type witness struct {
	r     *request.Request
	a     *Attributes
	stage string
	// last is the object after the plugin before, in JSON; nil when what changes
	// is not recorded.
	last []byte
}

// newWitness begins a stage; mutates tells that its plugins change the object.
func newWitness(ctx context.Context, a *Attributes, stage string, mutates bool) witness {
	w := witness{r: request.From(ctx), a: a, stage: stage}
	if mutates && w.r.Detailed() {
		w.last = jsonOf(a.Object)
	}
	return w
}

func jsonOf(obj runtime.Object) []byte {
	if obj == nil {
		return nil
	}
	var raw []byte
	var err error
	if u, ok := obj.(*unstructured.Unstructured); ok {
		raw, err = scheme.AppendJSON(nil, u.Object)
	} else {
		raw, err = json.Marshal(obj)
	}
	if err != nil {
		return nil
	}
	return raw
}

// saw tells that a plugin has had its say.
func (w *witness) saw(plugin string, err error) {
	if w.r == nil {
		return
	}
	var more request.More
	if err != nil {
		more.Error = err.Error()
	}
	if w.last != nil {
		more.Changes, w.last = ChangesBetween(w.last, w.a.Object)
	}
	if more.Error == "" && more.Changes == nil {
		w.r.Step(1, plugin, nil)
		return
	}
	w.r.Step(1, plugin, &more)
}

// end tells that the stage is over.
func (w *witness) end() { w.r.Mark(w.stage) }

// ChangesBetween gives what is different in an object that was before in JSON,
// and the object's JSON.
func ChangesBetween(before []byte, obj runtime.Object) ([]diff.Change, []byte) {
	after := jsonOf(obj)
	if after == nil || bytes.Equal(before, after) {
		return nil, before
	}
	changes, err := diff.Of(before, after)
	if err != nil {
		return nil, after
	}
	return changes, after
}

// ChangesFrom gives what is different between two objects.
func ChangesFrom(before, after runtime.Object) []diff.Change {
	changes, _ := ChangesBetween(jsonOf(before), after)
	return changes
}
