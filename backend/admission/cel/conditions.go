package cel

import (
	"context"
	"time"

	"github.com/google/cel-go/common/types"
	admissionregistrationv1 "k8s.io/api/admissionregistration/v1"
	utilerrors "k8s.io/apimachinery/pkg/util/errors"
	"k8s.io/apiserver/pkg/cel/environment"
)

// Conditions are the match conditions of a policy or a webhook, compiled.
type Conditions struct {
	list     []condition
	compiler *Compiler
	ignore   bool
	owner    Owner
}

type condition struct {
	text     string
	compiled Compiled
}

// NewConditions compiles conditions; nil for none. With the failure policy Ignore
// a condition that fails does not match.
func NewConditions(owner Owner, c *Compiler, list []admissionregistrationv1.MatchCondition, declared Declared, policy *admissionregistrationv1.FailurePolicyType) *Conditions {
	if len(list) == 0 {
		return nil
	}
	out := &Conditions{owner: owner, compiler: c, ignore: policy != nil && *policy == admissionregistrationv1.Ignore}
	for _, m := range list {
		out.list = append(out.list, condition{m.Expression, c.Compile(Condition(m.Expression), declared, environment.StoredExpressions)})
	}
	return out
}

// Match tells whether all conditions hold. One that does not hold decides, even
// when another one fails; an error comes with the failure policy Fail.
func (c *Conditions) Match(ctx context.Context, v *Values, params any) (bool, error) {
	if c == nil {
		return true, nil
	}
	began := time.Now()
	ok, failed, err := c.match(ctx, v, params)
	c.owner.observe(v, began, outcome{excluded: !ok && err == nil, errors: failed})
	return ok, err
}

// match gives also how many conditions failed.
func (c *Conditions) match(ctx context.Context, v *Values, params any) (ok bool, failures int, err error) {
	s := Scope{Values: v, Params: params, Authorizer: true, OwnResource: true, Compiler: c.compiler, Budget: ConditionsBudget}
	var errs []error
	for i := range c.list {
		value, failed, err := s.Run(ctx, &c.list[i].compiled, c.list[i].text)
		switch {
		case err != nil && c.ignore:
			return false, len(errs), nil
		case err != nil:
			return false, len(errs), err
		case failed != nil:
			errs = append(errs, failed)
		case value == types.False:
			return false, len(errs), nil
		}
	}
	switch {
	case len(errs) == 0:
		return true, 0, nil
	case c.ignore:
		return false, len(errs), nil
	}
	return false, len(errs), utilerrors.NewAggregate(errs)
}
