package oidc

import (
	"encoding/json"
	"errors"

	"pilothouse/backend/request"

	"github.com/google/cel-go/common/types"
	"github.com/google/cel-go/common/types/ref"
	"github.com/google/cel-go/common/types/traits"
	"k8s.io/apiserver/pkg/cel"
	"k8s.io/apiserver/pkg/cel/lazy"
)

// newClaimsValue gives claims as the variable "claims" of expressions. A claim
// is decoded when an expression asks for it.
func newClaimsValue(c claims) *lazy.MapValue {
	m := lazy.NewMapValue(types.NewObjectType("kubernetes.claims"))
	for name, raw := range c {
		m.Append(name, func(*lazy.MapValue) ref.Val {
			var v any
			if err := json.Unmarshal(raw, &v); err != nil {
				return types.NewErr("claim %q failed to unmarshal: %w", name, err)
			}
			return valueOf(v)
		})
	}
	return m
}

// newUserValue gives a user as the variable "user" of expressions.
func newUserValue(u *request.User) *lazy.MapValue {
	m := lazy.NewMapValue(types.NewObjectType("kubernetes.UserInfo"))
	for name, v := range map[string]any{"username": u.Name, "uid": u.UID, "groups": u.Groups, "extra": u.Extra} {
		m.Append(name, func(*lazy.MapValue) ref.Val { return valueOf(v) })
	}
	return m
}

// valueOf gives a Go value to CEL in which names that are no CEL identifiers can
// be reached by their escaped form, at any depth: claims.a.example__dot__com.
func valueOf(v any) ref.Val { return reachable(types.DefaultTypeAdapter.NativeToValue(v)) }

func reachable(v ref.Val) ref.Val {
	switch v := v.(type) {
	case traits.Mapper:
		return reachableMap{v}
	case traits.Lister:
		return reachableList{v}
	}
	return v
}

type reachableMap struct{ traits.Mapper }

// Find looks for the unescaped name where the key is an escaped one.
func (m reachableMap) Find(key ref.Val) (ref.Val, bool) {
	if s, ok := key.(types.String); ok {
		if name, ok := cel.Unescape(string(s)); ok {
			key = types.String(name)
		}
	}
	v, ok := m.Mapper.Find(key)
	if !ok {
		return v, false
	}
	return reachable(v), true
}

type reachableList struct{ traits.Lister }

// Get gives an element.
func (l reachableList) Get(index ref.Val) ref.Val { return reachable(l.Lister.Get(index)) }

var errNoTexts = errors.New("expression must return a string or a list of strings")

// textsOf reads a string or a list of strings. Empty strings, null and an empty
// list are nothing.
func textsOf(v ref.Val) ([]string, error) {
	switch v := v.(type) {
	case types.Null:
		return nil, nil
	case types.String:
		if v == "" {
			return nil, nil
		}
		return []string{string(v)}, nil
	case traits.Lister:
		var out []string
		for it := v.Iterator(); it.HasNext() == types.True; {
			s, ok := it.Next().(types.String)
			if !ok {
				return nil, errNoTexts
			}
			if s != "" {
				out = append(out, string(s))
			}
		}
		return out, nil
	}
	return nil, errNoTexts
}
