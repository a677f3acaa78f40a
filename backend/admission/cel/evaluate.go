package cel

import (
	"context"
	"errors"
	"fmt"
	"math"

	"github.com/google/cel-go/common/types"
	"github.com/google/cel-go/common/types/ref"
	"github.com/google/cel-go/interpreter"
	celconfig "k8s.io/apiserver/pkg/apis/cel"
	apiservercel "k8s.io/apiserver/pkg/cel"
	"k8s.io/apiserver/pkg/cel/lazy"
)

// The budgets of Kubernetes, in the units of CEL's cost: what all expressions of
// one kind (validations, audit annotations) of a policy may cost for one write,
// and what match conditions may.
const (
	Budget           = celconfig.RuntimeCELCostBudget
	ConditionsBudget = celconfig.RuntimeCELCostBudgetMatchConditions
)

// Scope is what the expressions of one kind see, and what they may still cost.
// It is for one goroutine.
type Scope struct {
	Values *Values
	// Params and Namespace are plain JSON values, nil for none.
	Params, Namespace any
	// Authorizer lets expressions use the authorizer.
	Authorizer bool
	// OwnResource makes request.resource the request's own and not the matched
	// one.
	OwnResource bool
	// Compiler has the variables of the policy; nil when it has none.
	Compiler *Compiler
	// Budget is what is left.
	Budget int64

	ctx       context.Context
	variables *lazy.MapValue
	spent     int64 // by variables, since the last expression ended
}

// ErrBudget is the failure of what costs too much.
var ErrBudget = apiservercel.ErrOutOfBudget

// namedVariable is a variable of a policy.
type namedVariable struct {
	name     string
	compiled Compiled
}

// Run runs an expression. failed says why it gave no value; err that nothing
// more of the scope is to be run.
func (s *Scope) Run(ctx context.Context, c *Compiled, text string) (value ref.Val, failed, err error) {
	if c.Err != nil {
		return nil, fmt.Errorf("compilation error: %w", c.Err), nil
	}
	s.ctx = ctx
	value, details, runErr := c.Program.ContextEval(ctx, s)
	if err := s.spend(s.spent); err != nil {
		return nil, nil, err
	}
	s.spent = 0
	if details == nil || details.ActualCost() == nil {
		return nil, nil, &apiservercel.Error{
			Type:   apiservercel.ErrorTypeInternal,
			Detail: fmt.Sprintf("runtime cost could not be calculated for expression: %v, no further expression will be run", text),
		}
	}
	if err := s.spend(clamp(*details.ActualCost())); err != nil {
		return nil, nil, err
	}
	if runErr != nil {
		return nil, fmt.Errorf("expression '%v' resulted in error: %w", text, runErr), nil
	}
	return value, nil, nil
}

func (s *Scope) spend(cost int64) error {
	if cost > s.Budget {
		return &apiservercel.Error{
			Type:   apiservercel.ErrorTypeInvalid,
			Detail: "validation failed due to running out of cost budget, no further validation rules will be run",
			Cause:  ErrBudget,
		}
	}
	s.Budget -= cost
	return nil
}

func clamp(cost uint64) int64 {
	if cost > math.MaxInt64 {
		return math.MaxInt64
	}
	return int64(cost)
}

// ResolveName gives the value of a variable of CEL.
func (s *Scope) ResolveName(name string) (any, bool) {
	switch name {
	case ObjectName:
		return valueOr(s.Values.objectValue())
	case OldObjectName:
		return valueOr(s.Values.oldValue())
	case ParamsName:
		return s.Params, true
	case RequestName:
		return valueOr(s.Values.requestValue(s.OwnResource))
	case NamespaceName:
		return s.Namespace, true
	case VariablesName:
		return s.variablesValue(), true
	case AuthorizerName, RequestResourceAuthorizerName:
		all, own := s.Values.authorizers()
		if !s.Authorizer || all == nil {
			return nil, false
		}
		if name == AuthorizerName {
			return all, true
		}
		return own, true
	}
	return nil, false
}

// valueOr gives a value, or an error as one.
func valueOr(v any, err error) (any, bool) {
	if err != nil {
		return types.WrapErr(err), true
	}
	return v, true
}

// Parent is nil: a scope is the whole of what there is.
func (s *Scope) Parent() interpreter.Activation { return nil }

// variablesValue is the variable variables, whose fields are run when they are
// first asked for.
func (s *Scope) variablesValue() ref.Val {
	if s.variables != nil {
		return s.variables
	}
	if s.Compiler == nil || s.Compiler.variables == nil {
		return types.NullValue
	}
	s.variables = lazy.NewMapValue(s.Compiler.variables)
	for i := range s.Compiler.compiled {
		v := &s.Compiler.compiled[i]
		s.variables.Append(v.name, func(*lazy.MapValue) ref.Val { return s.variable(v) })
	}
	return s.variables
}

func (s *Scope) variable(v *namedVariable) ref.Val {
	if v.compiled.Err != nil {
		return types.NewErr("composited variable %q fails to compile: %v", v.name, v.compiled.Err)
	}
	out, details, err := v.compiled.Program.ContextEval(s.ctx, s)
	if details == nil {
		return types.NewErr("unable to get evaluation details of variable %q", v.name)
	}
	cost := details.ActualCost()
	if cost == nil {
		return types.NewErr("unable to calculate cost of variable %q", v.name)
	}
	if s.spent += clamp(*cost); s.spent < 0 {
		s.spent = math.MaxInt64
	}
	if err != nil {
		return types.NewErr("composited variable %q fails to evaluate: %v", v.name, err)
	}
	return out
}

// Fatal tells whether an error of Run is about the budget or the server, and not
// about the expression.
func Fatal(err error) bool {
	return errors.Is(err, apiservercel.ErrInternal) || errors.Is(err, apiservercel.ErrOutOfBudget)
}
