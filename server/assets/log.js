// Follows the log of a job that isn't over. The stream begins with the log's start, so it can always be begun again.

const log = document.getElementById("log");
const state = document.getElementById("log-state");
let following = false;

async function follow() {
  if (following || !log.dataset.follow) return;
  following = true;
  try {
    const answer = await fetch(log.dataset.follow, { cache: "no-store" });
    if (!answer.ok) throw new Error(`status ${answer.status}`);
    state.textContent = "Follows what the job writes.";
    let first = true;
    for await (const text of texts(answer.body)) {
      const atEnd = log.scrollHeight - log.scrollTop - log.clientHeight < 24;
      if (first) log.textContent = text;
      else log.append(text);
      first = false;
      if (atEnd) log.scrollTop = log.scrollHeight;
    }
    state.textContent = "Complete.";
    delete log.dataset.follow;
  } catch {
    state.textContent = "The connection was cut; the log goes on when the server is there again.";
  }
  following = false;
}

async function* texts(body) {
  const reader = body.pipeThrough(new TextDecoderStream()).getReader();
  for (;;) {
    const { done, value } = await reader.read();
    if (done) return;
    yield value;
  }
}

if (log?.dataset.follow) {
  follow();
  document.addEventListener("page:connected", follow);
}
