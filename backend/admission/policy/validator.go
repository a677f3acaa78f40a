package policy

import (
	"context"
	"encoding/json"
	"fmt"
	"strings"
	"time"

	"pilothouse/backend/admission/cel"

	"github.com/google/cel-go/common/types"
	"github.com/google/cel-go/common/types/ref"
	admissionregistrationv1 "k8s.io/api/admissionregistration/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	celconfig "k8s.io/apiserver/pkg/apis/cel"
	"k8s.io/apiserver/pkg/cel/environment"
	"k8s.io/klog/v2"
)

// validator is a compiled ValidatingAdmissionPolicy.
type validator struct {
	// err is why nothing could be compiled.
	err         error
	compiler    *cel.Compiler
	conditions  *cel.Conditions
	validations []validation
	annotations []auditAnnotation
}

type validation struct {
	admissionregistrationv1.Validation
	compiled cel.Compiled
	// message is set when there is a messageExpression.
	message *cel.Compiled
}

type auditAnnotation struct {
	admissionregistrationv1.AuditAnnotation
	compiled cel.Compiled
}

// decision is what a validation says against a write.
type decision struct {
	// index is the validation's.
	index   int
	message string
	reason  metav1.StatusReason
	// took is what the expression took; failed tells that it gave no value.
	took   time.Duration
	failed bool
}

// verdict is what a policy says about a write: decisions against it, failures
// that do not count, audit annotations, and annotations that could not be made.
type verdict struct {
	decisions   []decision
	ignored     []decision
	annotations []annotation
	failed      []string
}

type annotation struct{ key, value string }

func decodeValidating(raw []byte) (*definition[*validator], error) {
	var p admissionregistrationv1.ValidatingAdmissionPolicy
	if err := json.Unmarshal(raw, &p); err != nil {
		return nil, err
	}
	s := common{
		Name: p.Name, UID: p.UID, Generation: p.Generation, ParamKind: p.Spec.ParamKind,
		MatchConstraints: p.Spec.MatchConstraints, FailurePolicy: p.Spec.FailurePolicy,
	}
	return newDefinition(s, func() *validator { return compileValidating(p.Name, &p.Spec) }), nil
}

func compileValidating(name string, p *admissionregistrationv1.ValidatingAdmissionPolicySpec) *validator {
	c, err := cel.NewComposed()
	if err != nil {
		return &validator{err: err}
	}
	all := cel.Declared{Params: p.ParamKind != nil, Authorizer: true}
	forMessages := cel.Declared{Params: all.Params}
	const stored = environment.StoredExpressions
	for _, v := range p.Variables {
		c.AddVariable(v.Name, v.Expression, all, stored)
	}
	out := &validator{compiler: c, conditions: cel.NewConditions(cel.Owner{Kind: "policy", Type: "validate", Name: name}, c, p.MatchConditions, all, p.FailurePolicy)}
	for _, v := range p.Validations {
		one := validation{Validation: v, compiled: c.Compile(cel.Condition(v.Expression), all, stored)}
		if v.MessageExpression != "" {
			message := c.Compile(cel.Message(v.MessageExpression), forMessages, stored)
			one.message = &message
		}
		out.validations = append(out.validations, one)
	}
	for _, a := range p.AuditAnnotations {
		out.annotations = append(out.annotations, auditAnnotation{a, c.Compile(cel.AuditAnnotation(a.ValueExpression), all, stored)})
	}
	return out
}

// validate evaluates the policy. fail is the failure policy: whether what goes
// wrong counts against the write.
func (v *validator) validate(ctx context.Context, values *cel.Values, params, namespace any, fail bool) verdict {
	if v.err != nil {
		return failure(v.err, fail)
	}
	switch ok, err := v.conditions.Match(ctx, values, params); {
	case err != nil:
		return failure(err, fail)
	case !ok:
		return verdict{}
	}
	scope := cel.Scope{Values: values, Params: params, Namespace: namespace, Authorizer: true, Compiler: v.compiler, Budget: cel.Budget}
	out, err := v.decide(ctx, &scope, fail)
	if err != nil {
		return failure(err, fail)
	}
	if len(v.annotations) == 0 {
		return out
	}
	scope = cel.Scope{Values: values, Params: params, Namespace: namespace, Compiler: v.compiler, Budget: cel.Budget}
	if err := v.annotate(ctx, &scope, fail, &out); err != nil {
		return failure(err, fail)
	}
	return out
}

func failure(err error, fail bool) verdict {
	d := []decision{{message: err.Error(), failed: true}}
	if !fail {
		return verdict{ignored: d}
	}
	return verdict{decisions: d}
}

func (v *validator) decide(ctx context.Context, scope *cel.Scope, fail bool) (out verdict, err error) {
	denied := make([]int, 0, len(v.validations))
	failures, took := map[int]error{}, map[int]time.Duration{}
	last := time.Now()
	for i := range v.validations {
		one := &v.validations[i]
		value, failed, err := scope.Run(ctx, &one.compiled, one.Expression)
		now := time.Now()
		spent := now.Sub(last)
		last = now
		switch {
		case err != nil:
			return verdict{}, err
		case failed != nil:
			failures[i] = failed
		case value == types.True:
			continue
		}
		denied = append(denied, i)
		took[i] = spent
	}
	if len(denied) == 0 {
		return verdict{}, nil
	}
	messages := cel.Scope{Values: scope.Values, Params: scope.Params, Namespace: scope.Namespace, Compiler: scope.Compiler, Budget: scope.Budget}
	var outOfBudget error
	for _, i := range denied {
		one := &v.validations[i]
		if failed := failures[i]; failed != nil {
			d := decision{index: i, message: failed.Error(), took: took[i], failed: true}
			if fail {
				out.decisions = append(out.decisions, d)
			} else {
				out.ignored = append(out.ignored, d)
			}
			continue
		}
		d := decision{index: i, reason: metav1.StatusReasonInvalid, took: took[i]}
		if one.Reason != nil {
			d.reason = *one.Reason
		}
		if outOfBudget == nil {
			d.message, outOfBudget = one.says(ctx, &messages)
		}
		if outOfBudget != nil {
			if !fail {
				continue
			}
			d.message, d.reason = fmt.Sprintf("failed messageExpression: %s", outOfBudget), ""
		}
		out.decisions = append(out.decisions, d)
	}
	return out, nil
}

// says gives the words of a validation that is not met: those of its
// messageExpression if they are good for a message, its message, or its
// expression.
func (v *validation) says(ctx context.Context, scope *cel.Scope) (string, error) {
	if v.message != nil {
		value, failed, err := scope.Run(ctx, v.message, v.MessageExpression)
		if err != nil && cel.Fatal(err) {
			return "", err
		}
		if failed != nil {
			klog.V(2).InfoS("A messageExpression failed", "expression", v.MessageExpression, "err", failed)
		}
		if text := messageOf(value); text != "" {
			return text, nil
		}
	}
	if v.Message != "" {
		if text := strings.TrimSpace(v.Message); text != "" {
			return text, nil
		}
	}
	return "failed expression: " + strings.TrimSpace(v.Expression), nil
}

// messageOf gives the text that an expression made, empty if it is too long or of
// several lines.
func messageOf(value ref.Val) string {
	if value == nil {
		return ""
	}
	text, _ := value.Value().(string)
	text = strings.TrimSpace(text)
	if len(text) > celconfig.MaxEvaluatedMessageExpressionSizeBytes || strings.Contains(text, "\n") {
		return ""
	}
	return text
}

func (v *validator) annotate(ctx context.Context, scope *cel.Scope, fail bool, out *verdict) error {
	for i := range v.annotations {
		one := &v.annotations[i]
		value, failed, err := scope.Run(ctx, &one.compiled, one.ValueExpression)
		if err != nil {
			return err
		}
		if failed != nil {
			if fail {
				out.failed = append(out.failed, failed.Error())
			}
			continue
		}
		switch value.Type() {
		case types.StringType:
			if text := strings.TrimSpace(value.Value().(string)); text != "" {
				out.annotations = append(out.annotations, annotation{one.Key, text})
			}
		case types.NullType:
		default:
			out.failed = append(out.failed, fmt.Sprintf("valueExpression '%v' resulted in unsupported return type: %v. "+
				"Return type must be either string or null.", one.ValueExpression, value.Type()))
		}
	}
	return nil
}
