// The texts of the interface in German.

import { reasons } from "./de_reasons.js";
import type { Texts } from "./en.js";

/** A number with its noun, in the singular or the plural. */
function plural(count: number, one: string, many: string): string {
  return `${count.toLocaleString("de")} ${count === 1 ? one : many}`;
}

const linked = (peers: number) => `(${plural(peers, "Verbindung", "Verbindungen")})`;

const TRY_AGAIN = "Mit „Verbinden“ versuchst du es noch einmal.";
const KEEPS_TRYING = "Diese Seite versucht es weiter, und der Text ist inzwischen hier gesichert.";
const CURRENT_BROWSER = "Nimm einen aktuellen Firefox, Chrome, Edge oder Safari.";

export const de: Texts = {
  language: "de",

  page: {
    title: "Zusammen schreiben",
    description: "Gemeinsam an einem Text schreiben, von Browser zu Browser.",
    skip: "Zum Text springen",
    room: "Raum",
    copyLink: "Link kopieren",
    moreLinks: "Weitere Links",
    copyReadLink: "Link nur zum Lesen kopieren",
    readLinkNote: "Damit kann man dem Text folgen, ihn aber nicht ändern.",
    newLink: "Neuer Link",
    newLinkNote: "Bringt deinen Text in einen neuen Raum. Links zu diesem führen nicht dorthin.",
    newRoom: "Neuer Raum",
    menu: "Menü",
    find: "Suchen und ersetzen",
    numbers: "Zeilennummern",
    history: "Verlauf",
    openFile: "Datei öffnen…",
    file: "Datei",
    saveText: "Als Text herunterladen",
    saveMarkdown: "Als Markdown herunterladen",
    saveHistory: "Mit Verlauf herunterladen",
    print: "Drucken",
    showCode: "QR-Code des Links",
    disconnect: "Trennen",
    notConnected: "Nicht verbunden",
    update: "Es gibt eine neue Version dieser Seite.",
    updateTake: "Neue Version laden",
    text: "Der Text",
    network: "Netz",
    name: "Dein Name",
    server: "Server",
    serverAddress: "Vermittelnder Server",
    serverHint: "Er macht die Browser miteinander bekannt und sieht den Text nie.",
    connect: "Verbinden",
    token: "Erlaubnis (Token)",
    tokenConnect: "Damit verbinden",
    dismiss: "Ausblenden",
    people: "In diesem Raum",
    check: "Prüfung der Verbindung",
    recent: "Räume auf diesem Gerät",
    keep: "Der Text ist in diesem Browser gesichert und in denen aller, mit denen du schreibst. Ein Server, der Räume aufbewahrt, hat ihn auch, verschlüsselt, wenn der Link einen Schlüssel hat. Sonst hat ihn niemand.",
    codeTitle: "Diesen Raum auf einem anderen Gerät öffnen",
    close: "Schließen",
    noScript: "Diese Seite braucht JavaScript.",
  },

  editor: {
    label: "Der gemeinsame Text",
    early: "Schreib etwas; der Text dieses Raums ist unterwegs…",
    empty: "Schreib etwas…",
    comingFromOthers: "Der Text der anderen ist unterwegs…",
    count: (words, characters) =>
      `${plural(words, "Wort", "Wörter")} · ${plural(characters, "Zeichen", "Zeichen")}`,
  },

  phrases: {
    "Find": "Suchen",
    "Replace": "Ersetzen",
    "next": "weiter",
    "previous": "zurück",
    "all": "alle",
    "match case": "Groß/klein beachten",
    "by word": "ganze Wörter",
    "regexp": "Regulärer Ausdruck",
    "replace": "ersetzen",
    "replace all": "alle ersetzen",
    "close": "schließen",
    "current match": "aktueller Treffer",
    "on line": "in Zeile",
    "replaced match on line $": "Treffer in Zeile $ ersetzt",
    "replaced $ matches": "$ Treffer ersetzt",
    "Go to line": "Gehe zu Zeile",
    "go": "los",
    "Control character": "Steuerzeichen",
    "Selection deleted": "Auswahl gelöscht",
  },

  saving: {
    early: "Der gesicherte Text ist unterwegs…",
    saved: "Auf diesem Gerät gesichert",
    unsaved: (reason) => `Auf diesem Gerät nicht gesichert: ${reason}`,
    noDocument: "Nicht gesichert: der Text dieses Raums ist nicht da",
    atServer: "Der Server hat ihn auch, verschlüsselt",
    aheadOfServer: "Die letzten Änderungen hat der Server noch nicht",
    notAtServer: (reason) => `Nicht beim Server: ${reason}`,
  },

  storageProblems: {
    storage_unavailable:
      "in diesem Fenster kann nichts gesichert werden, etwa weil es privat ist oder der Browser es verbietet",
    storage_full: "auf diesem Gerät ist kein Platz mehr: gib Speicher frei",
    storage_blocked:
      "ein anderer Tab mit einer älteren Version dieser Seite belegt den Speicher: schließe ihn, oder lade ihn neu",
    storage_timeout: "der Speicher dieses Geräts antwortet nicht; es wird weiter versucht",
    storage_newer: "hier hat eine neuere Version dieser Seite gesichert: lade die Seite neu",
    storage_damaged: "ein Teil des hier Gesicherten ist beschädigt und wurde übergangen",
    storage_removed:
      "der gesicherte Text wurde gelöscht, während er hier offen war: er ist nur noch in dieser Seite",
    storage_failed: "der Speicher dieses Geräts nimmt nichts an; es wird weiter versucht",
  },

  reasons,
  otherReason: "aus einem anderen Grund",

  links: {
    copied: "Kopiert",
    copyByHand: "Kopiere diesen Link:",
    changed: "Der Link wurde unterwegs verändert: kopiere ihn noch einmal, und ganz.",
    badKey: "Der Schlüssel darin wurde abgeschnitten oder verändert.",
    badRoom: (reason) => `Der Name des Raums darin ist nicht zu gebrauchen: ${reason}.`,
    controlCharacters: "er enthält Steuerzeichen",
    tooLong: "er ist zu lang",
    bad: {
      title: "Diesem Link kann man nicht folgen",
      advice: "Lass ihn dir noch einmal geben, und kopiere ihn ganz. Vorerst bist du in einem neuen Raum.",
    },
  },

  status: {
    notConnected: "Nicht verbunden",
    connected: (peers) => `Verbunden ${linked(peers)}`,
    connecting: "Verbinde…",
    reconnecting: (peers) => `Verbinde neu… ${linked(peers)}`,
    failed: "Verbindung gescheitert",
  },

  hints: {
    connect: "Verbinde dich, und schick anderen den Link zu diesem Raum.",
    serverAway:
      "Der Server ist weg, und diese Seite versucht es weiter. Tabs dieses Browsers und alle, die verbunden sind, bleiben zusammen; andere kommen nicht herein.",
    noKey: "Dieser Raum hat keinen Schlüssel: wer seinen Namen kennt, kann den Text lesen und ändern.",
    alone:
      "Noch ist niemand sonst hier. Schick jemandem den Link, und zwar ganz: einer mit anderem Schlüssel oder ein Teil davon führt woandershin.",
    readOnly: "Du hast einen Link nur zum Lesen: du siehst den Text und kannst ihn nicht ändern.",
  },

  people: {
    guest: "Gast",
    you: "du",
    youNotConnected: "du, nicht verbunden",
    follow: "Folgen",
    away: "abwesend",
    readsOnly: "liest nur",
    connecting: "verbindet…",
    notReached: "noch nicht erreicht, neuer Versuch…",
    indirect: "über andere erreicht",
    interrupted: "unterbrochen, neuer Versuch…",
    upToDate: "auf dem neuesten Stand",
    catchingUp: "holt auf…",
    throughServer: "über den Server",
  },

  recent: { justNow: "gerade eben" },

  problems: {
    noDocument: {
      title: "Das Dokument ließ sich nicht öffnen",
      advice: `Kopiere, was du geschrieben hast, und lade die Seite neu. Wenn das nicht hilft: ${CURRENT_BROWSER}`,
    },
    other: {
      title: "Etwas ging schief",
      advice:
        "Dein Text ist noch da. Versuch es noch einmal; wenn das nicht hilft, kopiere ihn, und lade die Seite neu.",
    },
    read_only: {
      title: "Dieser Link ist zum Lesen",
      advice: "Eine Datei lässt sich hier nicht in den Text holen. Bitte um einen Link, mit dem man schreiben kann.",
    },
    bad_file: {
      title: "Diese Datei lässt sich nicht öffnen",
      advice: "Sie ist beschädigt, oder sie ist kein Dokument dieser App. Der Text ist, wie er war.",
    },
    webrtc_unavailable: {
      title: "Dieser Browser kann sich nicht direkt verbinden",
      advice: `WebRTC fehlt oder ist abgeschaltet. ${CURRENT_BROWSER} Oder erlaube WebRTC in den Einstellungen.`,
    },
    websocket_unavailable: {
      title: "Dieser Browser erreicht keinen Server",
      advice: `WebSocket fehlt oder ist abgeschaltet. ${CURRENT_BROWSER}`,
    },
    cipher_unavailable: {
      title: "Diese Seite kann keinen Raum mit Schlüssel öffnen",
      advice:
        "Öffne sie über https oder von localhost, in einem aktuellen Firefox, Chrome, Edge oder Safari. Bis dahin bleibt dein Text auf diesem Gerät.",
    },
    forbidden: {
      title: "Der Server lässt dich nicht herein",
      advice:
        "Die Erlaubnis deines Links gilt für einen anderen Raum oder ist abgelaufen. Lass dir den Link noch einmal geben, oder gib eine andere Erlaubnis ein.",
    },
    unauthorized: {
      title: "Der Server lässt dich nicht herein",
      advice: "Er verlangt eine Erlaubnis. Lass dir einen Link mit einer geben, oder gib sie hier ein.",
    },
    random_unavailable: {
      title: "Dieser Browser hat keine Zufallszahlen",
      advice: CURRENT_BROWSER,
    },
    bad_url: {
      title: "Das ist keine Adresse eines Servers",
      advice:
        "Sie muss aussehen wie ws://localhost:8080 oder wss://example.org/ws. Berichtige sie unter Server.",
    },
    bad_id: {
      title: "Dieser Name geht nicht",
      advice: "Nimm einen kürzeren Namen aus Buchstaben und Ziffern, und verbinde dich neu.",
    },
    invalid_id: {
      title: "Der Server nimmt diesen Namen nicht an",
      advice: "Nimm einen kürzeren Namen aus Buchstaben und Ziffern, und verbinde dich neu.",
    },
    invalid_room: {
      title: "Der Server nimmt den Namen dieses Raums nicht an",
      advice: "Beginne einen neuen Raum.",
    },
    signaling_unreachable: {
      title: "Der Server ist nicht zu erreichen",
      advice: `Prüfe, ob er läuft, ob seine Adresse unter Server stimmt und ob du online bist. ${KEEPS_TRYING}`,
    },
    signaling_timeout: {
      title: "Der Server antwortet nicht",
      advice: `Prüfe seine Adresse unter Server und das Netz. ${KEEPS_TRYING}`,
    },
    signaling_refused: { title: "Der Server hat abgelehnt", advice: TRY_AGAIN },
    signaling_closed: { title: "Der Server hat die Verbindung beendet", advice: TRY_AGAIN },
    signaling_unreadable: {
      title: "Der Server spricht eine andere Sprache",
      advice:
        "Er ist nicht der Server, den diese Seite kennt, oder von anderer Version. Prüfe seine Adresse unter Server.",
    },
    replaced: {
      title: "Du bist von einem anderen Tab aus verbunden",
      advice: "Dieser wurde dafür getrennt. Verbinde dich neu, um ihn zurückzuholen.",
    },
    agent_id_taken: {
      title: "Jemand mit diesem Namen ist schon da",
      advice: "Nimm einen anderen Namen, und verbinde dich neu.",
    },
    room_full: {
      title: "Dieser Raum ist voll",
      advice:
        "Du kommst herein, wenn jemand geht: diese Seite versucht es weiter. Oder beginne einen neuen Raum.",
    },
    too_many_rooms: {
      title: "Der Server hat keinen Platz für noch einen Raum",
      advice: "Versuch es nach einer Weile wieder.",
    },
    unsupported_protocol: {
      title: "Der Server ist von anderer Version",
      advice: "Lade diese Seite neu, um die passende Version zu bekommen.",
    },
    peer_unreachable: {
      title: "Keine direkte Verbindung zu jemandem im Raum",
      advice:
        "Eure Netze lassen sie nicht durch. Im selben Netz geht es; sonst braucht es einen TURN-Server.",
    },
    too_many_connections: {
      title: "Zu viele Verbindungen",
      advice: "Dieser Browser kann nicht mehr öffnen. Schließe andere Tabs dieses Raums.",
    },
    wrong_key: {
      title: "Jemand hier hat einen anderen Link zu diesem Raum",
      advice:
        "Die beiden Links unterscheiden sich im Teil hinter dem #, daher seid ihr nicht verbunden. Öffnet den Raum mit demselben, ganz kopierten Link.",
    },
    agent_in_use: {
      title: "Jemand anders schreibt unter deiner Kennung",
      advice: "Änderungen können verloren gehen. Kopiere, was du brauchst, und lade diese Seite neu.",
    },
    outdated_here: {
      title: "Jemand hier hat eine neuere Version dieser Seite",
      advice: "Lade diese Seite neu, und nimm die neue Version, wo sie angeboten wird.",
    },
    outdated_peer: {
      title: "Jemand hier hat eine ältere Version dieser Seite",
      advice: "Ihr seid nicht verbunden. Bitte darum, sie neu zu laden.",
    },
    diverged: {
      title: "Zwei Texte unterscheiden sich, die gleich sein sollten",
      advice:
        "Zwei Änderungen wurden als eine ausgegeben. Kopiere deinen Text, vergleiche ihn mit dem anderen, und macht in einem neuen Raum weiter.",
    },
  },

  details: {
    outdated: (ours, peer, theirs) => `diese Seite spricht Version ${ours}, ${peer} Version ${theirs}`,
    diverged: (peer, version) => `${peer} hat einen anderen Text zu ${version}`,
  },

  check: {
    off: {
      verdict: "Nicht verbunden",
      advice: "Klicke auf „Verbinden“: dann wird hier jeder Schritt davon geprüft.",
    },
    underWay: "Unterwegs…",
    good: "Alles in Ordnung",
    outcomes: {
      works: "geht",
      fails: "geht nicht",
      "under way": "unterwegs",
      "not reached": "nicht erreicht",
    },
    otherLink: {
      title: "Der Raum",
      failure: "Jemand hat einen anderen Link",
      advice: "Öffnet den Raum auf beiden Seiten mit demselben Link: kopiert ihn ganz, mit dem Schlüssel.",
    },
    stages: {
      environment: {
        title: "Dieser Browser",
        failure: "Diesem Browser fehlt etwas",
        advice:
          "Nimm einen aktuellen Firefox, Chrome, Edge oder Safari, erlaube WebRTC in seinen Einstellungen, und öffne die Seite über https. Ein Raum, dessen Link einen Schlüssel hat, braucht kein WebRTC: dort kann der Text verschlüsselt über den Server gehen.",
      },
      signaling: {
        title: "Der Server",
        failure: "Der Server ist nicht zu erreichen",
        advice:
          "Prüfe, ob du online bist, ob die Adresse unter Server stimmt, ob der Server läuft und ob kein Proxy und keine Firewall WebSockets sperrt. Diese Seite versucht es weiter, wenn sie schon verbunden war.",
      },
      room: {
        title: "Der Raum",
        failure: "Der Server lässt dich nicht herein",
        advice: "Nimm einen anderen Namen, oder beginne einen neuen Raum, und verbinde dich neu.",
      },
      offer: {
        title: "Die anderen treffen",
        failure: "Jemand antwortet nicht",
        advice: "Die andere Seite schläft vielleicht oder ist weg. Bitte darum, sie anzusehen oder neu zu laden.",
      },
      ice: {
        title: "Ein Weg durch die Netze",
        failure: "Eure Netze sperren den direkten Weg",
        advice:
          "Öffnet den Raum mit einem Link mit Schlüssel, wie neue Räume ihn haben: dann geht der Text verschlüsselt über den Server. Oder trefft euch im selben Netz, oder lasst einen TURN-Server einrichten.",
      },
      channel: {
        title: "Die Verbindung",
        failure: "Eine Verbindung brach ab",
        advice:
          "Sie wird von selbst erneuert. Wenn das so weitergeht, ist das Netz nicht stabil: versuch ein anderes.",
      },
      sync: {
        title: "Der Text",
        failure: "Ein Text lässt sich nicht austauschen",
        advice:
          "Kopiere, was du brauchst, und ladet die Seite auf beiden Seiten neu, damit beide dieselbe Version haben.",
      },
    },
  },

  history: {
    title: "Verlauf",
    close: "Schließen",
    play: "Abspielen",
    pause: "Anhalten",
    moment: "Zeitpunkt",
    textHere: "Der Text zu diesem Zeitpunkt",
    authors: "Wer was geschrieben hat",
    name: "Name dieser Version",
    nameIt: "Benennen",
    version: "Version",
    compare: "Vergleichen mit",
    forget: "Namen vergessen",
    restore: "Diesen Text zurückholen",
    keptHere: "Namen von Versionen bleiben auf diesem Gerät.",
    noVersion: "—",
    nothing: "nichts",
    latest: "Der neueste Text",
    emptyText: "der leere Text",
    startMissing: "die ersten Änderungen fehlen in diesem Dokument",
    step: (step, length, author) => `${step} von ${length}, ${author}`,
    reading: (percent) => `Lese den Verlauf… ${percent} %`,
    failed: (reason) => `Der Verlauf lässt sich nicht zeigen: ${reason}`,
    momentComing: "Dieser Zeitpunkt ist von den anderen unterwegs…",
    notStored: "Dieser Browser sichert nichts für diese Seite, daher bekommt die Version keinen Namen.",
    named: (name) => `Diese Version heißt „${name}“.`,
    compared:
      "Was die andere Version mehr hat, ist unterstrichen; was ihr fehlt, ist durchgestrichen.",
    versionComing: "Diese Version ist hier noch nicht angekommen.",
  },
};
