package crd

import (
	"math"
	"regexp"
	"slices"
	"unicode/utf8"

	"k8s.io/kube-openapi/pkg/validation/spec"
	"k8s.io/kube-openapi/pkg/validation/strfmt"
)

// quick is a schema that says of most values that are valid that they are: in
// one walk, without anything to collect by the way. It never says so of a value
// that upstream's validator refuses; where it is in doubt, that validator has
// the word, and it makes the messages.
type quick struct {
	types    []string
	nullable bool
	format   string
	known    bool // the format is checked
	enum     map[string]bool

	properties map[string]*quick
	additional *quick
	required   []string
	items      *quick

	pattern                      *regexp.Regexp
	minimum, maximum             *float64
	aboveMinimum, belowMaximum   bool
	minLength, maxLength         *int64
	minItems, maxItems           *int64
	minProperties, maxProperties *int64

	allOf, anyOf, oneOf []*quick
	not                 *quick
}

// newQuick gives nil for a schema that has something that is left to upstream's
// validator.
func newQuick(s *spec.Schema) *quick {
	if s == nil {
		return nil
	}
	q := &quick{
		types: s.Type, nullable: s.Nullable, format: s.Format, known: s.Format != "" && strfmt.Default.ContainsName(s.Format), required: s.Required,
		minimum: s.Minimum, maximum: s.Maximum, aboveMinimum: s.ExclusiveMinimum, belowMaximum: s.ExclusiveMaximum,
		minLength: s.MinLength, maxLength: s.MaxLength, minItems: s.MinItems, maxItems: s.MaxItems, minProperties: s.MinProperties, maxProperties: s.MaxProperties,
	}
	if s.Ref.String() != "" || len(s.PatternProperties) > 0 || len(s.Dependencies) > 0 || s.MultipleOf != nil || s.UniqueItems || s.AdditionalItems != nil || !q.setEnum(s.Enum) {
		return nil
	}
	ok := true
	sub := func(s *spec.Schema) *quick {
		made := newQuick(s)
		ok = ok && made != nil
		return made
	}
	if s.Pattern != "" {
		var err error
		if q.pattern, err = regexp.Compile(s.Pattern); err != nil {
			return nil
		}
	}
	if len(s.Properties) > 0 {
		q.properties = make(map[string]*quick, len(s.Properties))
		for name, p := range s.Properties {
			q.properties[name] = sub(&p)
		}
	}
	if a := s.AdditionalProperties; a != nil {
		switch {
		case a.Schema != nil:
			q.additional = sub(a.Schema)
		case !a.Allows:
			return nil
		}
	}
	if s.Items != nil {
		if s.Items.Schema == nil {
			return nil
		}
		q.items = sub(s.Items.Schema)
	}
	for _, l := range []struct {
		from []spec.Schema
		to   *[]*quick
	}{{s.AllOf, &q.allOf}, {s.AnyOf, &q.anyOf}, {s.OneOf, &q.oneOf}} {
		for i := range l.from {
			*l.to = append(*l.to, sub(&l.from[i]))
		}
	}
	if s.Not != nil {
		q.not = sub(s.Not)
	}
	if !ok {
		return nil
	}
	return q
}

// setEnum takes the words of an enumeration; other values are left to upstream.
func (q *quick) setEnum(values []any) bool {
	for _, v := range values {
		s, ok := v.(string)
		if !ok {
			return false
		}
		if q.enum == nil {
			q.enum = map[string]bool{}
		}
		q.enum[s] = true
	}
	return true
}

// accepts tells that a value is valid for sure.
func (q *quick) accepts(value any) bool { return q != nil && q.check(value) == valid }

type verdict int8

const (
	unsure verdict = iota
	valid
	invalid
)

func (q *quick) check(value any) verdict {
	if value == nil {
		if q.enum == nil && (len(q.types) == 0 || q.nullable) {
			return valid
		}
		return unsure
	}
	if got := q.checkKind(value); got != valid {
		return got
	}
	return q.checkSchemas(value)
}

// checkKind is what the schema says of the kind of value that it is.
func (q *quick) checkKind(value any) verdict {
	switch v := value.(type) {
	case string:
		return q.checkString(v)
	case bool:
		return q.is(q.enum == nil, "boolean")
	case int64:
		return q.checkInteger(v)
	case float64:
		return q.checkNumber(v)
	case []any:
		return q.checkList(v)
	case map[string]any:
		return q.checkObject(v)
	}
	return unsure
}

// is tells whether a value of one of some types is right, if it is otherwise.
func (q *quick) is(right bool, types ...string) verdict {
	switch {
	case len(q.types) > 0 && !slices.ContainsFunc(types, func(t string) bool { return slices.Contains(q.types, t) }):
		if q.format != "" { // upstream has exceptions
			return unsure
		}
		return invalid
	case !right:
		return unsure
	}
	return valid
}

func (q *quick) checkString(s string) verdict {
	if got := q.is(true, "string"); got != valid {
		return got
	}
	switch {
	case q.enum != nil && !q.enum[s], q.pattern != nil && !q.pattern.MatchString(s), q.minLength != nil && int64(utf8.RuneCountInString(s)) < *q.minLength,
		q.maxLength != nil && int64(utf8.RuneCountInString(s)) > *q.maxLength:
		return invalid
	case q.known && !strfmt.Default.Validates(q.format, s):
		return invalid
	}
	return valid
}

func (q *quick) checkInteger(n int64) verdict {
	small := n >= 0 && n <= math.MaxInt32 // in the range of every format
	if got := q.is(q.enum == nil && (small || q.format == "" || q.format == "int64"), "integer", "number"); got != valid {
		return got
	}
	return q.inRange(float64(n), n < 1<<53 && n > -1<<53)
}

func (q *quick) checkNumber(n float64) verdict {
	if len(q.types) > 0 && !slices.Contains(q.types, "number") {
		return unsure // it may be a whole number
	}
	if q.enum != nil || q.format != "" && q.format != "double" {
		return unsure
	}
	return q.inRange(n, true)
}

// inRange compares with the bounds; exact tells that comparing is.
func (q *quick) inRange(n float64, exact bool) verdict {
	if q.minimum == nil && q.maximum == nil {
		return valid
	}
	whole := func(bound *float64) bool {
		return bound == nil || *bound == math.Trunc(*bound) && math.Abs(*bound) < 1<<53
	}
	switch {
	case !exact || !whole(q.minimum) || !whole(q.maximum): // upstream cuts bounds off for integers
		return unsure
	case q.minimum != nil && (n < *q.minimum || q.aboveMinimum && n == *q.minimum), q.maximum != nil && (n > *q.maximum || q.belowMaximum && n == *q.maximum):
		return invalid
	}
	return valid
}

func (q *quick) checkList(list []any) verdict {
	if got := q.is(q.enum == nil, "array"); got != valid {
		return got
	}
	if q.minItems != nil && int64(len(list)) < *q.minItems || q.maxItems != nil && int64(len(list)) > *q.maxItems {
		return invalid
	}
	if q.items == nil {
		return valid
	}
	for _, item := range list {
		if got := q.items.check(item); got != valid {
			return got
		}
	}
	return valid
}

func (q *quick) checkObject(m map[string]any) verdict {
	if got := q.is(q.enum == nil, "object"); got != valid {
		return got
	}
	if q.minProperties != nil && int64(len(m)) < *q.minProperties || q.maxProperties != nil && int64(len(m)) > *q.maxProperties {
		return invalid
	}
	for _, name := range q.required {
		if _, ok := m[name]; !ok {
			return invalid
		}
	}
	for name, value := range m {
		property := q.properties[name]
		if property == nil {
			property = q.additional
		}
		if property == nil {
			continue
		}
		if got := property.check(value); got != valid {
			return got
		}
	}
	return valid
}

// checkSchemas is what allOf, anyOf, oneOf and not say.
func (q *quick) checkSchemas(value any) verdict {
	for _, s := range q.allOf {
		if got := s.check(value); got != valid {
			return got
		}
	}
	if len(q.anyOf) > 0 && !slices.ContainsFunc(q.anyOf, func(s *quick) bool { return s.check(value) == valid }) {
		return unsure
	}
	if len(q.oneOf) > 0 {
		is := map[verdict]int{}
		for _, s := range q.oneOf {
			is[s.check(value)]++
		}
		if is[valid] != 1 || is[unsure] > 0 {
			return unsure
		}
	}
	if q.not != nil && q.not.check(value) != invalid {
		return unsure
	}
	return valid
}
