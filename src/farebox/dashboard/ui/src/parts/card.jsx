// A part of the page with a heading, and what stands in it while there is nothing to show.

export function Card({ title, note, tools, wide, panel, children }) {
  const id = `card-${title.toLowerCase().replaceAll(/[^a-z]+/g, "-")}`;
  const { table, error, retry, fresh } = panel ?? {};
  const old = table && !fresh; // of another view, until this one's answer is there
  return (
    <section class={`card ${wide ? "wide" : ""} ${old ? "old" : ""}`} aria-labelledby={id} aria-busy={old ? "true" : undefined}>
      <header class="card-head">
        <h2 id={id}>{title}</h2>
        {tools}
      </header>
      {note && <p class="note">{note}</p>}
      {error && <Problem message={error.message} retry={retry} />}
      {panel && !table && !error ? <div class="waiting" aria-busy="true"><span class="unseen">Loading</span></div> : children}
      {table?.notes?.map((text) => <p key={text} class="note">{text}</p>)}
    </section>
  );
}

export function Problem({ message, retry }) {
  return (
    <div class="problem" role="alert">
      <p>{message}</p>
      <button type="button" onClick={retry}>Try again</button>
    </div>
  );
}

export function Nothing({ children }) {
  return <p class="nothing">{children}</p>;
}

export function Segments({ label, options, value, onPick }) {
  return (
    <div class="segments" role="group" aria-label={label}>
      {options.map(([name, title, long]) => (
        <button key={name} type="button" aria-pressed={name === value} title={long} onClick={() => onPick(name)}>{title}</button>
      ))}
    </div>
  );
}
