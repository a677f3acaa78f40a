package scheme

import (
	"reflect"
	"strings"
	"sync"

	apiextensionsv1 "k8s.io/apiextensions-apiserver/pkg/apis/apiextensions/v1"
	apiregistrationv1 "k8s.io/kube-aggregator/pkg/apis/apiregistration/v1"
)

// jsonGroups are the groups whose objects Kubernetes stores as JSON, all others of
// its own as protobuf.
var jsonGroups = map[string]bool{apiextensionsv1.GroupName: true, apiregistrationv1.GroupName: true}

// nilPlan tells where a type has lists and maps that its JSON shows even when they
// are empty.
type nilPlan []nilField

type nilField struct {
	index int
	clear bool    // it is such a list or map
	below nilPlan // of what it is made of
}

// nilPlans are those of the types of API objects: a few hundred, none of which
// contains itself.
var nilPlans sync.Map // reflect.Type -> nilPlan

// nilEmpty makes the lists and maps nil that are empty and would show as [] or {}.
// Kubernetes stores objects as protobuf, which has none that are empty, and answers
// with what it stored: its clients see null.
func nilEmpty(obj Object) {
	v := reflect.ValueOf(obj).Elem()
	planOf(v.Type()).apply(v)
}

func planOf(t reflect.Type) nilPlan {
	if p, ok := nilPlans.Load(t); ok {
		return p.(nilPlan)
	}
	var plan nilPlan
	for i := range t.NumField() {
		f := t.Field(i)
		tag, shown := f.Tag.Lookup("json")
		if !f.IsExported() || !shown || tag == "-" {
			continue
		}
		kind := f.Type.Kind()
		is := nilField{index: i}
		is.clear = (kind == reflect.Slice || kind == reflect.Map) && !strings.Contains(tag, ",omit") && f.Type.Elem().Kind() != reflect.Uint8
		if below := partsOf(f.Type); below != nil {
			is.below = planOf(below)
		}
		if is.clear || is.below != nil {
			plan = append(plan, is)
		}
	}
	nilPlans.Store(t, plan)
	return plan
}

// partsOf gives the struct that a field is, points to, or is a list of; nil for
// others.
func partsOf(t reflect.Type) reflect.Type {
	for t.Kind() == reflect.Pointer || t.Kind() == reflect.Slice {
		t = t.Elem()
	}
	if t.Kind() == reflect.Struct {
		return t
	}
	return nil
}

func (p nilPlan) apply(v reflect.Value) {
	for _, f := range p {
		field := v.Field(f.index)
		if f.clear && field.Len() == 0 {
			field.SetZero()
			continue
		}
		if f.below != nil {
			f.below.each(field)
		}
	}
}

// each applies a plan to the structs of a field.
func (p nilPlan) each(v reflect.Value) {
	switch v.Kind() {
	case reflect.Struct:
		p.apply(v)
	case reflect.Pointer:
		if !v.IsNil() {
			p.each(v.Elem())
		}
	case reflect.Slice:
		for i := range v.Len() {
			p.each(v.Index(i))
		}
	}
}
