package cel

import (
	"fmt"
	"sync/atomic"

	celgo "github.com/google/cel-go/cel"
	"k8s.io/apimachinery/pkg/util/version"
	apiservercel "k8s.io/apiserver/pkg/cel"
	"k8s.io/apiserver/pkg/cel/common"
	"k8s.io/apiserver/pkg/cel/environment"
	"k8s.io/apiserver/pkg/cel/library"
	"k8s.io/apiserver/pkg/cel/openapi"
	"k8s.io/kube-openapi/pkg/validation/spec"
)

// Checker checks expressions against the schema of the objects that they are
// about, which the compiler does not know: there objects have any fields.
type Checker struct {
	env       *environment.EnvSet
	variables *apiservercel.DeclType
}

// checked numbers types, whose names must differ.
var checked atomic.Uint64

// declType gives the CEL type of a schema; nil when it has none.
func declType(kind string, s *spec.Schema) *apiservercel.DeclType {
	if s == nil {
		return nil
	}
	t := common.SchemaDeclType(&openapi.Schema{Schema: s}, true)
	if t == nil {
		return nil
	}
	return t.MaybeAssignTypeName(fmt.Sprintf("%s%d", kind, checked.Add(1)))
}

// NewChecker gives a Checker for objects of a schema without references. params
// is the schema of parameters, nil for one that nobody knows; hasParams tells that
// there are some.
func NewChecker(kind string, object *spec.Schema, hasParams bool, params *spec.Schema) (*Checker, error) {
	variables := apiservercel.NewObjectType("kubernetes.variables", map[string]*apiservercel.DeclField{})
	namespace, request := namespaceType(), requestType()
	types := []*apiservercel.DeclType{namespace, request}
	options := []celgo.EnvOption{
		celgo.Variable(NamespaceName, namespace.CelType()),
		celgo.Variable(RequestName, request.CelType()),
		celgo.Variable(AuthorizerName, library.AuthorizerType),
	}
	declare := func(t *apiservercel.DeclType, names ...string) {
		as := celgo.DynType
		if t != nil {
			types, as = append(types, t), t.CelType()
		}
		for _, name := range names {
			options = append(options, celgo.Variable(name, as))
		}
	}
	declare(declType(kind, object), ObjectName, OldObjectName)
	if hasParams {
		declare(declType(kind+"Params", params), ParamsName)
	}
	declare(variables, VariablesName)
	env, err := baseEnv().Extend(environment.VersionedOptions{IntroducedVersion: version.MajorMinor(1, 0), EnvOptions: options, DeclTypes: types})
	if err != nil {
		return nil, fmt.Errorf("extend CEL environment: %w", err)
	}
	return &Checker{env: env, variables: variables}, nil
}

// AddVariable makes a variable known to what is checked later.
func (c *Checker) AddVariable(name, text string) {
	t, _ := c.check(text)
	c.variables.Fields[name] = declField(name, declTypeOf(t), true)
}

// Check gives what is wrong with an expression, empty for nothing.
func (c *Checker) Check(text string) string {
	_, issues := c.check(text)
	return issues
}

func (c *Checker) check(text string) (*celgo.Type, string) {
	env, err := c.env.Env(environment.StoredExpressions)
	if err != nil {
		return nil, fmt.Sprintf("type checking error: fail to build env: %v", err)
	}
	ast, issues := env.Compile(text)
	if issues != nil {
		return nil, issues.String()
	}
	return ast.OutputType(), ""
}
