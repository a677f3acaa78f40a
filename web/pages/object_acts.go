package pages

import (
	"context"

	"pilothouse/web/messages"
	"pilothouse/web/view"
)

// objectAct is something that can be done with an object, a button of its page.
// A new one is one line in objectActs.
type objectAct struct {
	name, key string
	text      messages.Text
	full      messages.Text // of a kind and a name
	danger    bool
	// shown tells whether it can be done with an object at all; verb and sub are
	// the right that it needs.
	shown     func(o *loaded) bool
	verb, sub string
	// query is the address' query that leads to it.
	query string
}

// objectActs are what can be done with objects, in the order of the buttons.
var objectActs = []objectAct{
	{name: "edit", text: "Edit", full: "Edit %s %s", key: "e", verb: "update", query: "edit=1", shown: served("update")},
	{name: "delete", text: "Delete", full: "Delete %s %s", key: "Delete", danger: true, verb: "delete", query: "delete=1", shown: served("delete")},
}

// served tells objects of types that know a verb.
func served(verb string) func(o *loaded) bool {
	return func(o *loaded) bool { return can(o.entry, verb) }
}

// fillActs puts the object's buttons into v; those that the user may not use say
// why.
func (c *Call) fillActs(ctx context.Context, o *loaded, v *view.Object) {
	for _, a := range objectActs {
		if !a.shown(o) {
			continue
		}
		v.Acts = append(v.Acts, view.Act{
			Name: a.name, Text: a.text, Full: c.T(a.full, o.object.GetKind(), o.name), Key: a.key, Danger: a.danger, Href: v.Path + "?" + a.query,
			Denied: c.may(ctx, right{verb: a.verb, address: o.address, sub: a.sub}),
		})
	}
}
