package cel

import (
	"fmt"
	"sync"

	celgo "github.com/google/cel-go/cel"
	"k8s.io/apimachinery/pkg/util/version"
	celconfig "k8s.io/apiserver/pkg/apis/cel"
	apiservercel "k8s.io/apiserver/pkg/cel"
	"k8s.io/apiserver/pkg/cel/common"
	"k8s.io/apiserver/pkg/cel/environment"
	"k8s.io/apiserver/pkg/cel/library"
	"k8s.io/apiserver/pkg/cel/mutation"
)

// Names of the variables that expressions see.
const (
	ObjectName                    = "object"
	OldObjectName                 = "oldObject"
	ParamsName                    = "params"
	RequestName                   = "request"
	NamespaceName                 = "namespaceObject"
	AuthorizerName                = "authorizer"
	RequestResourceAuthorizerName = "authorizer.requestResource"
	VariablesName                 = "variables"
)

// Declared says which of the variables that are not always there an expression
// may use.
type Declared struct {
	Params, Authorizer bool
	// Patches are the types of mutations: Object and JSONPatch.
	Patches bool
}

// Expression is what there is to compile and what it must give.
type Expression struct {
	Text    string
	Returns []*celgo.Type
}

// The kinds of expressions of webhooks and policies.
func Condition(text string) Expression { return Expression{text, []*celgo.Type{celgo.BoolType}} }
func Message(text string) Expression   { return Expression{text, []*celgo.Type{celgo.StringType}} }
func Variable(text string) Expression {
	return Expression{text, []*celgo.Type{celgo.AnyType, celgo.DynType}}
}
func AuditAnnotation(text string) Expression {
	return Expression{text, []*celgo.Type{celgo.StringType, celgo.NullType}}
}
func ApplyConfiguration(text string) Expression {
	return Expression{text, []*celgo.Type{celgo.ObjectType("Object")}}
}
func JSONPatch(text string) Expression {
	return Expression{text, []*celgo.Type{celgo.ListType(celgo.ObjectType("JSONPatch"))}}
}

// Compiled is an expression that can be run, or why it cannot.
type Compiled struct {
	Program celgo.Program
	Output  *celgo.Type
	// Err is nil if the expression compiled; its detail is what users see.
	Err *apiservercel.Error
}

// Compiler compiles expressions of one policy or webhook. It is safe for
// concurrent use, except for AddVariable.
type Compiler struct {
	base *environment.EnvSet
	// variables is the type of the variable "variables"; nil when there is none.
	variables *apiservercel.DeclType
	// compiled are the variables in order.
	compiled []namedVariable

	mu   sync.Mutex
	envs map[Declared]*environment.EnvSet
}

var baseEnv = sync.OnceValue(func() *environment.EnvSet {
	return environment.MustBaseEnvSet(environment.DefaultCompatibilityVersion())
})

var plain = sync.OnceValue(func() *Compiler {
	return &Compiler{base: baseEnv(), envs: map[Declared]*environment.EnvSet{}}
})

// Plain gives the compiler for expressions without variables of their own,
// which all share.
func Plain() *Compiler { return plain() }

// NewComposed gives a compiler for a policy with variables: AddVariable those
// in order, each may use those before it.
func NewComposed() (*Compiler, error) {
	variables := apiservercel.NewObjectType("kubernetes.variables", map[string]*apiservercel.DeclField{})
	base, err := baseEnv().Extend(environment.VersionedOptions{
		IntroducedVersion: version.MajorMinor(1, 0),
		EnvOptions:        []celgo.EnvOption{celgo.Variable(VariablesName, variables.CelType())},
		DeclTypes:         []*apiservercel.DeclType{variables},
	})
	if err != nil {
		return nil, fmt.Errorf("extend CEL environment: %w", err)
	}
	return &Compiler{base: base, variables: variables, envs: map[Declared]*environment.EnvSet{}}, nil
}

// AddVariable compiles a variable and makes it known to what is compiled later,
// even if it did not compile.
func (c *Compiler) AddVariable(name, text string, declared Declared, mode environment.Type) Compiled {
	out := c.Compile(Variable(text), declared, mode)
	c.compiled = append(c.compiled, namedVariable{name, out})
	c.variables.Fields[name] = declField(name, declTypeOf(out.Output), true)
	return out
}

// Compile parses, checks and plans an expression. Its messages are Kubernetes'.
func (c *Compiler) Compile(e Expression, declared Declared, mode environment.Type) Compiled {
	env, err := c.env(declared, mode)
	if err != nil {
		return failed(apiservercel.ErrorTypeInternal, fmt.Sprintf("unexpected error loading CEL environment: %v", err))
	}
	ast, issues := env.Compile(e.Text)
	if issues != nil {
		return failed(apiservercel.ErrorTypeInvalid, "compilation failed: "+issues.String())
	}
	if !returns(ast.OutputType(), e.Returns) {
		return failed(apiservercel.ErrorTypeInvalid, wrongType(ast.OutputType(), e.Returns))
	}
	program, err := env.Program(ast, celgo.InterruptCheckFrequency(celconfig.CheckFrequency))
	if err != nil {
		return failed(apiservercel.ErrorTypeInternal, "program instantiation failed: "+err.Error())
	}
	return Compiled{Program: program, Output: ast.OutputType()}
}

func failed(t apiservercel.ErrorType, detail string) Compiled {
	return Compiled{Err: &apiservercel.Error{Type: t, Detail: detail}}
}

func returns(got *celgo.Type, want []*celgo.Type) bool {
	for _, t := range want {
		if got.IsExactType(t) || celgo.AnyType.IsExactType(t) {
			return true
		}
	}
	return false
}

func wrongType(got *celgo.Type, want []*celgo.Type) string {
	if len(want) == 1 {
		return fmt.Sprintf("must evaluate to %v but got %v", want[0], got)
	}
	return fmt.Sprintf("must evaluate to one of %v but got %v", want, got)
}

// env gives the environment with what is declared, made on first use.
func (c *Compiler) env(declared Declared, mode environment.Type) (*celgo.Env, error) {
	c.mu.Lock()
	defer c.mu.Unlock()
	set, found := c.envs[declared]
	if !found {
		var err error
		if set, err = extend(c.base, declared); err != nil {
			return nil, err
		}
		c.envs[declared] = set
	}
	return set.Env(mode)
}

func extend(base *environment.EnvSet, declared Declared) (*environment.EnvSet, error) {
	request, namespace := requestType(), namespaceType()
	options := []celgo.EnvOption{
		celgo.Variable(ObjectName, celgo.DynType),
		celgo.Variable(OldObjectName, celgo.DynType),
		celgo.Variable(NamespaceName, namespace.CelType()),
		celgo.Variable(RequestName, request.CelType()),
	}
	if declared.Params {
		options = append(options, celgo.Variable(ParamsName, celgo.DynType))
	}
	if declared.Authorizer {
		options = append(options,
			celgo.Variable(AuthorizerName, library.AuthorizerType),
			celgo.Variable(RequestResourceAuthorizerName, library.ResourceCheckType))
	}
	// What is introduced at 1.0 is there whatever version expressions are
	// checked for.
	set, err := base.Extend(environment.VersionedOptions{
		IntroducedVersion: version.MajorMinor(1, 0),
		EnvOptions:        options,
		DeclTypes:         []*apiservercel.DeclType{namespace, request},
	}, environment.StrictCostOpt)
	if err != nil || !declared.Patches {
		return set, err
	}
	// The resolver of the patch types must come after the declared types, which
	// would hide it.
	return set.Extend(environment.VersionedOptions{
		IntroducedVersion: version.MajorMinor(1, 0),
		EnvOptions: []celgo.EnvOption{
			common.ResolverEnvOption(&mutation.DynamicTypeResolver{}),
			environment.UnversionedLib(library.JSONPatch),
		},
	})
}

// declTypeOf gives the declared form of an expression's type, so that those
// that use it can be checked.
func declTypeOf(t *celgo.Type) *apiservercel.DeclType {
	if t == nil {
		return apiservercel.DynType
	}
	switch t {
	case celgo.AnyType:
		return apiservercel.AnyType
	case celgo.BoolType:
		return apiservercel.BoolType
	case celgo.BytesType:
		return apiservercel.BytesType
	case celgo.DoubleType:
		return apiservercel.DoubleType
	case celgo.DurationType:
		return apiservercel.DurationType
	case celgo.IntType:
		return apiservercel.IntType
	case celgo.NullType:
		return apiservercel.NullType
	case celgo.StringType:
		return apiservercel.StringType
	case celgo.TimestampType:
		return apiservercel.TimestampType
	case celgo.UintType:
		return apiservercel.UintType
	}
	switch t.Kind() {
	case celgo.ListKind:
		return apiservercel.NewListType(declTypeOf(t.Parameters()[0]), -1)
	case celgo.MapKind:
		return apiservercel.NewMapType(declTypeOf(t.Parameters()[0]), declTypeOf(t.Parameters()[1]), -1)
	}
	return apiservercel.DynType
}
